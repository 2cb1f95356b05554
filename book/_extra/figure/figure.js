/* The main figure with what it shows to choose: task, teacher, reader, preset, metric, size. Plain JavaScript and SVG, no
   library, no request. Its data, `window.qdllmFigure`, is written from the published rows when the book is built. */
"use strict";

(() => {
  const root = document.getElementById("qdllm-figure");
  const data = window.qdllmFigure;
  if (!root || !data || !data.points.length) return;

  const ALL = "";  // the value of the choice 'all tasks'
  const SIZES = {
    trained: "trained parameters",
    stored: "bytes of the student alone",
    deployed: "bytes deployed, reader included",
  };
  const SHAPES = {  // of each family: a mark of its own, so that colour is not needed to tell them apart
    quantum: (x, y) => ["circle", { cx: x, cy: y, r: 6 }],
    cosine: (x, y) => ["rect", { x: x - 5, y: y - 5, width: 10, height: 10 }],
    linear: (x, y) => ["path", { d: `M${x} ${y - 7}l6.5 11h-13z` }],
    control: (x, y) => ["path", { d: `M${x} ${y - 5}l5 5l-5 5l-5 -5z` }],
    baseline: (x, y) => ["path", { d: `M${x - 5} ${y - 5}l10 10m0 -10l-10 10`, class: "qd-figure-cross" }],
    words: (x, y) => ["path", { d: `M${x - 6} ${y}h12m-6 -6v12`, class: "qd-figure-cross" }],
  };
  const FRAME = { height: 280, left: 34, right: 22, top: 30, bottom: 48 };
  const WIDTH = { narrow: 300, wide: 560 };  // of a panel among others or on a phone, and of a single one
  const state = { controls: false, task: ALL, teacher: "minilm", reader: "mpnet", preset: "tuned", metric: "acc", size: "trained" };

  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (typeof value === "function") element.addEventListener(name, value);
      else element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  }

  function draw(tag, attributes = {}, ...children) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  }

  // --- what is chosen ---

  function choice(name, label, names) {
    const box = make("select", { id: `qd-figure-${name}`, change: () => { state[name] = box.value; show(); } },
      ...Object.entries(names).map(([value, title]) => make("option", { value }, title)));
    if (!(state[name] in names)) state[name] = Object.keys(names)[0];
    box.value = state[name];
    return make("div", { class: "qd-figure-field" }, make("label", { for: box.id }, label), box);
  }

  const families = Object.keys(data.families);

  /** The points of a task under the choices; a baseline has no reader and no preset, TF-IDF no teacher either. */
  function shown(task) {
    return data.points.filter((one) => one.task === task && one[state.metric]
      && [null, state.teacher].includes(one.teacher) && [null, state.reader].includes(one.reader)
      && [null, state.preset].includes(one.preset) && (state.controls || one.family !== "control"))
      .sort((one, other) => families.indexOf(one.family) - families.indexOf(other.family));
  }

  const isStudent = (one) => one.preset !== null;
  const own = (task) => data.own.find((one) => one.task === task && one.teacher === state.teacher);
  const printed = (task) => data.paper.find((one) => one.task === task && one[state.metric] !== undefined);
  const percent = (value) => value.toFixed(1);
  const interval = ([mean, low, high]) => percent(mean) + (low === null ? "" : ` [${percent(low)}, ${percent(high)}]`);
  const whole = (value) => value.toLocaleString("en");

  // --- the picture ---

  function ticks(low, high, wanted) {
    const step = [0.5, 1, 2, 5, 10, 20].find((one) => (high - low) / one <= wanted) ?? 50;
    const found = [];
    for (let at = Math.ceil(low / step) * step; at <= high + 1e-9; at += step) found.push(at);
    return found;
  }

  /** Both ends of the axis of sizes, as log10, the same for all panels. */
  function powersOf(tasks) {
    const sizes = tasks.flatMap((task) => [...shown(task), printed(task)].filter(Boolean).map((one) => one[state.size]));
    return [Math.floor(Math.log10(Math.min(...sizes)) - 0.05), Math.ceil(Math.log10(Math.max(...sizes)) + 0.05)];
  }

  /** Both ends of a panel's own axis of the metric, in percent. */
  function range(task) {
    const values = shown(task).flatMap((one) => one[state.metric].filter((value) => value !== null));
    for (const one of [printed(task), own(task)]) if (one) values.push(one[state.metric]);
    return [Math.floor(Math.min(...values) - 0.5), Math.ceil(Math.max(...values) + 0.5)];
  }

  function panel(task, [left, right], width) {
    const { height } = FRAME, [low, high] = range(task);
    const at = (size) => FRAME.left + (Math.log10(size) - left) / (right - left) * (width - FRAME.left - FRAME.right);
    const up = (value) => height - FRAME.bottom - (value - low) / (high - low) * (height - FRAME.top - FRAME.bottom);
    const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true", focusable: "false" });
    const text = (x, y, words, more = {}) => svg.append(draw("text", { x, y, ...more }, words));
    text(FRAME.left, 18, data.tasks[task], { class: "qd-figure-title" });
    for (const value of ticks(low, high, 6)) {
      svg.append(draw("path", { d: `M${FRAME.left} ${up(value)}H${width - FRAME.right}`, class: "qd-figure-grid" }));
      text(FRAME.left - 6, up(value) + 4, `${value}`, { "text-anchor": "end" });
    }
    const powers = { 3: "1 k", 4: "10 k", 5: "100 k", 6: "1 M", 7: "10 M", 8: "100 M", 9: "1 G", 10: "10 G" };
    for (let power = left; power <= right; power++) {
      const x = at(10 ** power);
      svg.append(draw("path", { d: `M${x} ${FRAME.top}V${height - FRAME.bottom + 4}`, class: "qd-figure-grid" }));
      text(x, height - FRAME.bottom + 18, powers[power] ?? `${10 ** power}`, { "text-anchor": "middle" });
    }
    text((FRAME.left + width - FRAME.right) / 2, height - 8, SIZES[state.size], { "text-anchor": "middle" });
    const teacher = own(task);
    if (teacher) {
      const y = up(teacher[state.metric]);
      svg.append(draw("path", { d: `M${FRAME.left} ${y}H${width - FRAME.right}`, class: "qd-figure-teacher" }));
    }
    // Marks of nearly the same size would lie on each other: some move aside a little. The student is drawn last, on top.
    const taken = [], marks = [];
    for (const one of shown(task)) {
      const there = at(one[state.size]);
      const x = [0, 1, -1, 2, -2].map((step) => there + 10 * step).find((free) => free > FRAME.left + 5
        && free < width - FRAME.right - 5 && taken.every((other) => Math.abs(other - free) > 9)) ?? there;
      taken.push(x);
      const [mean, bottom, top] = one[state.metric];
      const mark = draw("g", { class: `qd-figure-${one.family}` }, draw("title", {}, `${one.title}: ${interval(one[state.metric])}%`));
      if (bottom !== null) {
        mark.append(draw("path", { d: `M${x} ${up(bottom)}V${up(top)}m-3 0h6M${x - 3} ${up(bottom)}h6`, class: "qd-figure-bar" }));
      }
      mark.append(draw(...SHAPES[one.family](x, up(mean))));
      marks.push(mark);
    }
    svg.append(...marks.reverse());
    const paper = printed(task);
    if (paper) {
      svg.append(draw("circle", { cx: at(paper[state.size]), cy: up(paper[state.metric]), r: 10, class: "qd-figure-paper" },
        draw("title", {}, `The paper's QD-LLM: ${percent(paper[state.metric])}%`)));
    }
    return svg;
  }

  function legend(tasks) {
    const there = families.filter((name) => tasks.some((task) => shown(task).some((one) => one.family === name)));
    const entry = (words, ...marks) => make("li", {},
      draw("svg", { viewBox: "0 0 24 24", width: 20, height: 20, "aria-hidden": "true", focusable: "false" }, ...marks), words);
    const found = there.map((name) => entry(data.families[name],
      draw("g", { class: `qd-figure-${name}` }, draw(...SHAPES[name](12, 12)))));
    if (tasks.some(own)) found.push(entry("the teacher itself", draw("path", { d: "M0 12H24", class: "qd-figure-teacher" })));
    if (tasks.some(printed)) found.push(entry("the paper's QD-LLM, as printed", draw("circle", { cx: 12, cy: 12, r: 9, class: "qd-figure-paper" })));
    return found;
  }

  // --- the same in words: a table, and one sentence that is read out ---

  function line(title, value, one, seeds, key) {
    return make("tr", {}, make("th", { scope: "row" }, title), make("td", {}, value),
      make("td", {}, whole(one.trained)), make("td", {}, one.deployed ? whole(one.deployed) : "–"), make("td", {}, seeds),
      make("td", {}, key ? make("code", {}, key) : "–"));
  }

  function lines(task) {
    const teacher = own(task), paper = printed(task);
    return [
      make("tr", { class: "qd-group" }, make("th", { colspan: 6, scope: "colgroup" }, make("span", {}, data.tasks[task]))),
      ...shown(task).map((one) => line(one.title, interval(one[state.metric]), one, `${one.seeds}`, one.key)),
      ...(teacher ? [line("the teacher itself", percent(teacher[state.metric]), teacher, "1", teacher.key)] : []),
      ...(paper ? [line("the paper's QD-LLM", percent(paper[state.metric]), paper, "–", "")] : []),
    ];
  }

  function sentence(tasks) {
    const whose = `teacher ${data.teachers[state.teacher]}, reader ${data.readers[state.reader]}, preset ${state.preset}`;
    const ran = tasks.filter((task) => shown(task).some(isStudent));
    if (!ran.length) return `No student has been run with ${whose} here: choose another teacher, reader or preset.`;
    const told = ran.map((task) => {
      const points = shown(task), student = points.find((one) => one.family === "quantum");
      const compared = ["cosine", "linear"].map((name) => points.find((one) => one.family === name)).filter(Boolean);
      const value = (one) => `${interval(one[state.metric])}%`;
      return `${data.tasks[task]}: ${student ? `QD-LLM ${value(student)}` : "no QD-LLM"}`
        + compared.map((one) => `, ${one.title} ${value(one)}`).join("");
    });
    return `${data.metrics[state.metric]}, ${whose}. ${told.join("; ")}.`.replace(/^./, (first) => first.toUpperCase());
  }

  // --- the page ---

  const panels = make("div", { class: "qd-figure-panels", role: "img", "aria-labelledby": "qd-figure-said" });
  const keys = make("ul", { class: "qd-figure-legend" });
  const said = make("p", { class: "qd-figure-said", id: "qd-figure-said", role: "status", "aria-live": "polite" });
  const body = make("tbody");
  const heading = make("th", { scope: "col" });
  const table = make("div", { class: "qd-table", tabindex: "0", role: "region", "aria-label": "The values shown" }, make("table", {},
    make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "model"), heading,
      ...["trained parameters", "bytes deployed", "seeds", "first row"].map((name) => make("th", { scope: "col" }, name)))),
    body));

  function show() {
    const tasks = state.task === ALL ? Object.keys(data.tasks) : [state.task];
    const drawn = tasks.filter((task) => shown(task).some(isStudent));
    const single = drawn.length === 1 && root.clientWidth > 500;
    panels.replaceChildren(...drawn.map((task) => panel(task, powersOf(drawn), single ? WIDTH.wide : WIDTH.narrow)));
    panels.classList.toggle("qd-figure-single", drawn.length === 1);
    panels.hidden = keys.hidden = table.hidden = !drawn.length;
    keys.replaceChildren(...legend(drawn));
    heading.textContent = `${data.metrics[state.metric]}, %`;
    body.replaceChildren(...drawn.flatMap(lines));
    const words = sentence(tasks);
    if (said.textContent !== words) said.textContent = words;  // what has not changed is not read out again
  }

  const controls = make("input", { type: "checkbox", id: "qd-figure-controls", change: () => { state.controls = controls.checked; show(); } });

  root.replaceChildren(
    make("div", { class: "qd-figure-choices" },
      choice("task", "Task", { [ALL]: "all tasks", ...data.tasks }),
      choice("teacher", "Teacher", data.teachers),
      choice("reader", "Reader", data.readers),
      choice("preset", "Preset", Object.fromEntries(data.presets.map((name) => [name, name]))),
      choice("metric", "Metric", data.metrics),
      choice("size", "Against", SIZES),
      make("label", { class: "qd-figure-check" }, controls, " the other controls too")),
    said, panels, keys,
    make("details", {}, make("summary", {}, "The values shown, as a table"), table));
  show();
  window.addEventListener("resize", show);
})();
