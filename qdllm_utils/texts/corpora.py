"""Generated corpora for the scale `demo`: three text classification tasks that need no network.

Emotion and thematic come from a small grammar written for this project (nothing is copied from a data set);
hiding sets tweets of the same grammar (cover) against texts that carry random bits (stego, by
`steganography`). None of them is trivially separable: texts mix their class with neutral filler, negation,
mixed feelings or a side topic, share words with the other classes, and a few percent (`_STRAY`) are written
from another class altogether. Numbers measured on these corpora are demonstrations, never results.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random

from qdllm_utils.texts.steganography import NgramModel, embed

CLASSES: dict[str, tuple[str, ...]] = {
    "emotion": ("neg", "pos"),
    "hiding": ("neg", "pos"),
    "thematic": ("business", "sci", "sport", "world"),
}
_STRAY = 0.03  # share of emotion and thematic texts whose words come from another class
_SIDE_TOPIC = 0.28  # share of thematic texts whose second half comes from another class
_COVERS = 2500  # tweets that the language model of the stego texts is fitted on
_PAYLOAD = (14, 40)  # bits in a stego text, least and most, chosen so that lengths match those of the covers
_AN = re.compile(r"\ba (?=[aeiou])")
_SLOT = re.compile(r"\{([a-z._]+)\}")

# A symbol expands to one of its productions, parted by |; {name} in a production expands in turn.
_TWEETS = {
    "pos": "{open} {good} {plain}|{plain} and {good}|{open} {good} {tail}|{good} and {good}|"
    "{plain} {good} {cheer}|{good} {cheer} {tail}|{good} and {cheer}|{open} {good} and {cheer}|"
    "{bad} but {good} {tail}|{open} {mild} but {good}|{plain} {mild} but {fine}",
    "neg": "{open} {bad} {plain}|{plain} and {bad}|{open} {bad} {tail}|{bad} and {bad}|"
    "{plain} {bad} {sigh}|{bad} {sigh} {tail}|{bad} and {sigh}|{open} {bad} and {sigh}|"
    "{good} but {bad} {tail}|{open} {mild} but {bad}|{plain} {mild} but {meh}",
    "good": "i {love} {thing}|{thing} was {great}|so {glad} about {thing}|{thing} made my {day}|"
    "can not wait for {thing}|{thing} turned out {great}|feeling {glad} after {thing}|"
    "not {sad} at all about {thing}|{thing} is {great} and i am {glad}",
    "bad": "i {hate} {thing}|{thing} was {awful}|so {sad} about {thing}|{thing} spoiled my {day}|"
    "not looking forward to {thing}|{thing} turned out {awful}|feeling {sad} after {thing}|"
    "not {glad} at all about {thing}|{thing} is {awful} and i am {sad}",
    "cheer": "best {day} ever|feeling so {glad}|lucky me|this made me smile|what a {sweet} {day}|so {glad} now",
    "sigh": "worst {day} ever|feeling so {sad}|poor me|this made me frown|what a {grim} {day}|so {sad} now",
    "mild": "{thing} was okay|{thing} could be worse|{thing} could be better|we will see about {thing}|"
    "{thing} is over now|still thinking about {thing}|{thing} was not what i expected",
    "fine": "i will take it|what a {sweet} surprise|back to smiling|good times ahead|all is well|"
    "i am {glad} anyway|worth it in the end|so {glad} it worked",
    "meh": "i give up|what a {grim} surprise|back to sighing|hard times ahead|no luck again|"
    "i am {sad} anyway|not worth it in the end|so {sad} it failed",
    "love": "love|adore|really like|enjoy|am loving|can not get enough of|am so into",
    "hate": "hate|dread|really dislike|regret|am done with|can not stand",
    "great": "great|lovely|perfect|brilliant|really good|a treat|better than ever|so sweet|fun|a joy",
    "awful": "awful|horrible|a mess|terrible|really bad|a pain|worse than ever|so dull|boring|a letdown",
    "sweet": "lovely|perfect|brilliant|great|fun",
    "grim": "horrible|awful|terrible|dreadful|bad",
    "glad": "happy|glad|excited|thankful|proud|relaxed|cheerful|hopeful",
    "sad": "sad|upset|annoyed|worried|tired|stressed|lonely|grumpy",
    "thing": "the {noun}|my {noun}|this {noun}|{who_s} {noun}|the {noun} {when}|the new {noun}|that {noun} of mine",
    "noun": "phone|exam|weather|bus ride|coffee|game|homework|weekend|concert|haircut|job|garden|laptop|"
    "movie|class|party|train|sandwich|book|album|trip|match|kitchen|photo|bike|shift|meeting|cake|episode|"
    "flat|dentist|holiday|playlist|project|morning run|birthday|diet|puppy|cold|rain",
    "who_s": "your|our|her|his|my sister's|my mum's|the kids'|everyone's|my boss's",
    "who": "mum|my sister|the kids|a friend|my brother|the team|grandpa|a neighbour|the class|nobody",
    "when": "today|tonight|this morning|yesterday|this week|on monday|last night|on friday|at lunch|this year",
    "day": "day|week|evening|morning|weekend|monday",
    "place": "work|school|the office|the beach|the market|the library|the gym|the park|the station|the shop",
    "open": "well|honestly|so|right|hmm|wow|ok|just saying|oh|hey|guess what|really|finally|ugh|yay|haha",
    "tail": "{when}|lol|haha|you know|i guess|as always|again|for once|anyway|thanks to {who}|says {who}|"
    "at {place}|no joke|oh my",
    "plain": "on my way to {place}|back from {place} {when}|watching tv with {who}|at {place} with {who}|"
    "about to go to {place}|talking to {who} about it|off to {place} {when}|just got up|making tea|"
    "cleaning up at {place}|{who} asked about {thing}|it is late already|having dinner with {who}",
}
_NEWS = {
    "business": "{business.who} {business.does} {business.what}",
    "business.who": "a {adj} {business.firm}|the {city} {business.firm}|shares of a {business.firm}|"
    "investors|the chief of a {business.firm}|the central bank|{adj} markets in {place}|traders in {place}|"
    "the {business.firm}",
    "business.firm": "airline|retailer|lender|carmaker|phone maker|software firm|oil producer|sports brand|"
    "broadcaster|insurer|food group|chip maker|space company",
    "business.does": "{moves} after|{sees} a record for|agreed to a deal over|cut the forecast for|"
    "planned to raise|reported news on|called off|fought over|won approval for|kept an eye on|"
    "counted the cost of",
    "business.what": "quarterly profit|interest rates|oil prices|a takeover bid|new jobs|"
    "sales of {sci.thing}|a stock listing|the trade gap|higher costs|consumer spending|a factory|"
    "a share buyback|a pay deal|a merger",
    "sci": "{sci.who} {sci.does} {sci.what}",
    "sci.who": "a team of researchers|scientists in {place}|engineers|a {adj} study|the space agency|"
    "a software firm|astronomers|a {adj} probe|students from {place}|doctors|developers|a network of labs",
    "sci.does": "{moves} after|{sees} a record for|found signs of|launched|tested|planned to map|"
    "reported news on|called off|built|won approval for|kept an eye on|counted the cost of",
    "sci.what": "{sci.thing}|a fix for {sci.thing}|water on a distant moon|a new species|"
    "the gene for sleep|ice loss|a comet|the next generation of {sci.thing}|a mission to mars|"
    "a web browser|early whales|a cure for colds",
    "sci.thing": "robots|music players|satellites|batteries|chips|search tools|video games|phones|vaccines|"
    "telescopes|spam filters|solar panels",
    "sport": "{sport.who} {sport.does} {sport.what}",
    "sport.who": "the {city} team|a {adj} striker|the coach|the champions|a young sprinter|fans in {place}|"
    "the captain|the {city} club|rivals from {place}|the league|a veteran pitcher|the top seed|"
    "a {adj} swimmer",
    "sport.does": "{moves} after|{sees} a record for|won|lost|planned to skip|reported news on|called off|"
    "fought for|chased|reached|kept an eye on|counted the cost of",
    "sport.what": "the final|a cup tie|a knee injury|the title race|an away game|the marathon|extra time|"
    "the season opener|a late goal|a transfer fee|a gold medal|a home defeat|the play-offs|a tennis open|"
    "tickets",
    "world": "{world.who} {world.does} {world.what}",
    "world.who": "the government|officials in {place}|the president|voters in {place}|leaders|"
    "a {adj} envoy|the opposition|lawmakers|crowds in {place}|aid workers|neighbours of {place}|"
    "a {adj} minister|observers",
    "world.does": "{moves} after|{sees} a record for|agreed to a deal over|called for|rejected|"
    "planned to hold|reported news on|called off|fought over|won approval for|kept an eye on|"
    "counted the cost of",
    "world.what": "peace talks|an election|a border crossing|flood relief|a state visit|a new treaty|"
    "a strike|the budget|oil exports|a summit|a space programme|the games|a referendum|a vote on trade|"
    "a storm",
    "moves": "rose|fell|slipped|gained ground|held steady|made a comeback|faced questions|lost ground",
    "sees": "saw|expected|wanted|welcomed|feared",
    "adj": "strong|weak|surprising|leading|small|local|mixed|big|early|slow|global|new",
    "place": "{city}|{city}|{city}|the north|the south|europe|asia|africa",
    "city": "london|tokyo|paris|sydney|cairo|berlin|delhi|toronto|madrid|nairobi|seoul|rome|lima|oslo|athens|boston",
    "link": "as|while|and|but",
    "plain": "the {role} did not say more|nobody expected it|the next step is still open|"
    "hopes are high in {place}|there was little time to lose|it was the second time this year|"
    "the plan is not final|the numbers are in|more news is due|questions remain|"
    "a {adj} start was not enough|the race is open|all eyes are on {place}",
    "role": "chief|leader|team|spokesman|group|head of the programme",
    "day": "on monday|on tuesday|on wednesday|on thursday|on friday|over the weekend|this week|overnight|"
    "late last year",
    "source": "reports say|sources said {day}|the {role} said {day}|{day}|{day} in {place}|it emerged {day}",
}


def _write(grammar: dict[str, list[str]], symbol: str, rng: Random) -> str:
    """One text of a grammar symbol, every slot filled, words joined by single spaces."""
    text = _SLOT.sub(lambda slot: _write(grammar, slot[1], rng), rng.choice(grammar[symbol]))
    return _AN.sub("an ", " ".join(text.split()))


def _productions(grammar: dict[str, str]) -> dict[str, list[str]]:
    """Symbol -> its productions, from the compact form above."""
    return {symbol: choices.split("|") for symbol, choices in grammar.items()}


_TWEET_RULES, _NEWS_RULES = _productions(_TWEETS), _productions(_NEWS)


def _tweet(label: str, rng: Random) -> str:
    """A tweet-like text of class 'neg' or 'pos', in `_STRAY` of the cases of the other one."""
    return _write(_TWEET_RULES, _perhaps_other("emotion", label, _STRAY, rng), rng)


def _news(label: str, rng: Random) -> str:
    """A news sentence: a lead of the class, then more of it, plain words or a side topic, then the source."""
    label = _perhaps_other("thematic", label, _STRAY, rng)
    more = "plain" if rng.random() < 0.4 else _perhaps_other("thematic", label, _SIDE_TOPIC, rng)
    parts = (label, "link", more, "source")
    return " ".join(_write(_NEWS_RULES, part, rng) for part in parts)


def _perhaps_other(task: str, label: str, chance: float, rng: Random) -> str:
    """The label, or with the given chance one of the other classes of the task."""
    if rng.random() >= chance:
        return label
    return rng.choice([other for other in CLASSES[task] if other != label])


def _cover(rng: Random) -> str:
    """A tweet-like text of either feeling."""
    return _tweet(rng.choice(CLASSES["emotion"]), rng)


def steganographer(seed: int = 0) -> NgramModel:
    """The language model that writes the stego texts of `generate("hiding", ..., seed)`.

    Fitted on `_COVERS` tweets drawn apart from the covers of that corpus. With it
    `steganography.extract(text, steganographer(seed))` reads the bits in any of its stego texts.
    """
    rng = Random(f"steganographer {seed}")
    return NgramModel([_cover(rng) for _ in range(_COVERS)], order=2, k=32, floor=0.08)


def _writer(task: str, seed: int) -> Callable[[str, Random], str]:
    """The function that writes one text of a class of the task."""
    if task == "emotion":
        return _tweet
    if task == "thematic":
        return _news
    model = steganographer(seed)

    def cover_or_stego(label: str, rng: Random) -> str:
        if label == "neg":
            return _cover(rng)
        size = rng.randint(*_PAYLOAD)
        return embed(f"{rng.getrandbits(size):0{size}b}", model)

    return cover_or_stego


def generate(task: str, texts_per_class: int, seed: int = 0) -> tuple[list[str], list[str]]:
    """A shuffled, balanced corpus of distinct texts; a text occurs once and so has one label.

    Args:
        task: 'emotion' (neg, pos), 'hiding' (neg = cover, pos = stego) or 'thematic' (business, sci, sport,
            world); the classes are those of the paper.
        texts_per_class: up to 3000 is checked; lengths are 8 to 16 words, in thematic 12 to 25.
        seed: same seed, same bytes on any machine (`random.Random` seeded with a string).

    Returns (texts, labels), two lists of texts_per_class times the number of classes.
    Raises ValueError for an unknown task or texts_per_class < 1.
    """
    if task not in CLASSES:
        raise ValueError(f"unknown task {task!r}: choose one of {', '.join(map(repr, CLASSES))}")
    if texts_per_class < 1:
        raise ValueError(f"texts_per_class must be at least 1, got {texts_per_class}")
    rng = Random(f"{task} {seed}")
    write = _writer(task, seed)
    shortest, longest = (12, 25) if task == "thematic" else (8, 16)
    label_of: dict[str, str] = {}
    for label in CLASSES[task] * texts_per_class:
        text = ""
        while text in label_of or not shortest <= len(text.split()) <= longest:
            text = write(label, rng)
        label_of[text] = label
    rows = list(label_of.items())
    rng.shuffle(rows)
    return [text for text, _ in rows], [label for _, label in rows]
