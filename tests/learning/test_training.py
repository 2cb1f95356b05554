"""The training loop on toy students: the checkpoint it keeps, copies side by side, batches and learning rates."""

import math
from dataclasses import replace
from itertools import count, pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from qdllm_utils.learning import training
from qdllm_utils.learning.losses import cross_entropy
from qdllm_utils.learning.training import Settings, epoch_batches, fit, keep, predict, rate


class Linear(nn.Module):
    """S linear classifiers, each drawn from its seed."""

    def __init__(self, seeds, settings, dimension=5, classes=3):
        super().__init__()
        self.seeds, self.settings, self.rows = list(seeds), settings, []
        drawn = [torch.randn(dimension, classes, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        self.weight = nn.Parameter(torch.stack(drawn))

    def logits(self, batch):
        return batch["features"] @ self.weight

    def losses(self, batch, epoch):
        self.rows.append(batch["row"].clone())
        return cross_entropy(self.logits(batch), batch["labels"])


class Scripted(nn.Module):
    """Answers its script: in epoch e, copy s is right on script[s][e] of the ten validation rows.

    The gradient of its one parameter is always -1, so that Adam moves it by the learning rate, 1, a step: with
    one batch an epoch the parameter counts the epochs.
    """

    def __init__(self, scripts, epochs):
        super().__init__()
        self.seeds, self.settings = list(range(len(scripts))), Settings(1.0, 10, epochs)
        self.scripts = scripts
        self.epoch = nn.Parameter(torch.zeros(len(scripts)))
        self.register_buffer("noted", torch.zeros(len(scripts)))

    def logits(self, batch):
        right = torch.tensor([script[round(e)] for script, e in zip(self.scripts, self.epoch.tolist(), strict=True)])
        answer = torch.where(torch.arange(10) < right[:, None], batch["labels"], 1 - batch["labels"])
        return nn.functional.one_hot(answer, 2).float()

    def losses(self, batch, epoch):
        self.noted.fill_(10 + epoch)
        return -self.epoch[:, None].expand(-1, batch["labels"].shape[1])


def toy_data(n_rows=60, seed=0):
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(n_rows, 5, generator=generator)
    labels = (features @ torch.randn(5, 3, generator=generator)).argmax(dim=1)
    return {"features": features, "labels": labels, "row": torch.arange(n_rows)}


TEN = {"labels": torch.tensor([0, 1] * 5)}


def test_each_copy_is_left_at_its_earliest_best_epoch():
    # the entries of a script are before training, then after each epoch
    student = Scripted([[9, 3, 8, 5, 8], [9, 7, 2, 7, 6]], epochs=4)
    result = fit(student, TEN, TEN)
    assert result.best_epoch == [2, 1]
    assert result.validation == pytest.approx([0.8, 0.7])
    assert torch.tensor(result.history) == pytest.approx(torch.tensor([[0.3, 0.7], [0.8, 0.2], [0.5, 0.7], [0.8, 0.6]]))
    assert student.epoch.tolist() == pytest.approx([2, 1])
    assert student.noted.tolist() == [11, 10]


def test_a_single_copy_is_left_at_its_earliest_best_epoch_too():
    student = Scripted([[9, 3, 8, 5, 8]], epochs=4)
    assert fit(student, TEN, TEN).best_epoch == [2]
    assert student.epoch.tolist() == pytest.approx([2])
    assert student.noted.tolist() == [11]


def test_an_epoch_without_a_right_answer_is_still_a_checkpoint():
    student = Scripted([[9, 0, 0]], epochs=2)
    assert fit(student, TEN, TEN).best_epoch == [1]
    assert student.epoch.tolist() == pytest.approx([1])


@pytest.mark.parametrize(
    ("scripts", "patience", "epochs_run", "best"),
    [
        ([[9, 3, 8, 5, 8, 7, 9, 9]], 3, 5, [2]),
        ([[9, 3, 8, 5, 8, 7, 9, 9]], 4, 7, [6]),
        ([[9, 3, 8, 5, 8, 7, 9, 9]], 0, 7, [6]),
        ([[9, 3, 8, 5, 5, 5, 5, 5], [9, 1, 2, 3, 4, 4, 4, 5]], 3, 7, [2, 7]),
    ],
)
def test_training_stops_after_the_epochs_of_patience_without_a_better_one_of_any_copy(
    scripts, patience, epochs_run, best
):
    student = Scripted(scripts, epochs=7)
    student.settings = replace(student.settings, patience=patience)
    result = fit(student, TEN, TEN)
    assert len(result.history) == epochs_run and result.best_epoch == best
    assert student.epoch.tolist() == pytest.approx(best)


def test_a_checkpoint_of_the_first_stage_is_never_kept_nor_counted_as_impatience():
    student = Scripted([[9, 9, 9, 9, 9, 3, 5, 4, 4, 9]], epochs=9)
    student.settings = replace(student.settings, patience=2, select_from=4)
    result = fit(student, TEN, TEN)
    assert result.best_epoch == [6] and result.validation == pytest.approx([0.5])
    assert student.epoch.tolist() == pytest.approx([6]) and len(result.history) == 8


def test_keeping_a_single_copy_takes_states_of_any_shape():
    kept = {"count": torch.tensor(1), "weight": torch.zeros(2, 3)}
    keep(kept, {"count": torch.tensor(5), "weight": torch.ones(2, 3)}, torch.tensor([False]))
    assert kept["count"] == 1 and (kept["weight"] == 0).all()
    keep(kept, {"count": torch.tensor(5), "weight": torch.ones(2, 3)}, torch.tensor([True]))
    assert kept["count"] == 5 and (kept["weight"] == 1).all()


SETTINGS = Settings(0.05, 8, 4, "cosine", weight_decay=0.01)


def test_copies_trained_together_equal_copies_trained_alone():
    train, validation = toy_data(), toy_data(40, seed=1)
    together = Linear([3, 4, 5], SETTINGS)
    result = fit(together, train, validation)
    for copy, seed in enumerate(together.seeds):
        alone = Linear([seed], SETTINGS)
        single = fit(alone, train, validation)
        torch.testing.assert_close(alone.weight[0], together.weight[copy], atol=1e-5, rtol=1e-4)
        assert single.best_epoch[0] == result.best_epoch[copy]
        assert single.validation[0] == pytest.approx(result.validation[copy])
    assert (together.weight[0] - together.weight[1]).abs().max() > 0.1


@pytest.mark.parametrize("copies", [1, 4])
def test_the_seconds_of_an_epoch_are_those_of_one_copy(copies, monkeypatch):
    """T_kd of the paper's tables: with a clock that goes on by one at every look, an epoch of all copies takes 1 s."""
    looks = count()
    monkeypatch.setattr(training.time, "perf_counter", lambda: float(next(looks)))
    student = Linear(range(copies), Settings(0.1, 10, 3))
    assert fit(student, toy_data(30), toy_data(20, 1)).epoch_seconds == pytest.approx(1 / copies)


def test_the_same_seed_gives_the_same_weights_to_the_bit():
    students = [Linear([7, 8], SETTINGS) for _ in range(2)]
    for number, student in enumerate(students):
        torch.manual_seed(number)  # the global generator plays no part
        fit(student, toy_data(), toy_data(40, seed=1))
    assert torch.equal(students[0].weight, students[1].weight)


def test_training_learns_the_toy_task_and_predicts_in_the_order_of_the_rows():
    student, data = Linear([0], Settings(0.1, 8, 15)), toy_data()
    fit(student, data, data)
    logits = predict(student, data, batch_size=25)
    assert logits.shape == (1, 60, 3) and not student.training
    assert (logits.argmax(-1)[0] == data["labels"]).float().mean() > 0.95
    torch.testing.assert_close(logits[0], data["features"] @ student.weight[0].detach())


def test_the_batch_order_depends_on_the_seed_alone():
    orders = {}
    for seeds, classes in (([1, 2], 3), ([2], 3), ([1], 4)):
        student = Linear(seeds, Settings(0.01, 16, 2), classes=classes)
        fit(student, toy_data(), toy_data())
        for copy, seed in enumerate(seeds):
            orders.setdefault(seed, []).append(torch.cat([rows[copy] for rows in student.rows]))
    assert torch.equal(*orders[1]) and torch.equal(*orders[2])
    assert not torch.equal(orders[1][0], orders[2][0])


@given(n_rows=st.integers(1, 40), size=st.integers(1, 50), copies=st.integers(1, 3))
def test_an_epoch_visits_no_row_twice_and_drops_less_than_a_batch(n_rows, size, copies):
    generators = [torch.Generator().manual_seed(copy) for copy in range(copies)]
    batches = epoch_batches(n_rows, size, generators)
    size = min(size, n_rows)
    assert batches.shape == (n_rows // size, copies, size)
    for copy in range(copies):
        visited = batches[:, copy].flatten().tolist()
        assert len(set(visited)) == len(visited) > n_rows - size
        assert set(visited) <= set(range(n_rows))


def test_another_epoch_has_another_order():
    generators = [torch.Generator().manual_seed(0)]
    assert not torch.equal(epoch_batches(50, 10, generators), epoch_batches(50, 10, generators))


@given(n_rows=st.integers(1, 60), size=st.integers(4, 20), seed=st.integers(0, 99))
def test_batches_by_length_hold_texts_of_like_length_and_every_row_still_once(n_rows, size, seed):
    lengths = torch.randint(3, 60, (n_rows,), generator=torch.Generator().manual_seed(seed))
    batches = epoch_batches(n_rows, size, [torch.Generator().manual_seed(seed)], lengths)[:, 0]
    visited = batches.flatten().tolist()
    assert len(set(visited)) == len(visited) > n_rows - size
    ranges = sorted((lengths[batch].min().item(), lengths[batch].max().item()) for batch in batches)
    assert all(longest <= shortest for (_, longest), (shortest, _) in pairwise(ranges))


def test_batches_by_length_come_in_a_random_order_that_the_seed_decides():
    lengths = torch.arange(3, 53)
    first, again, other = (
        epoch_batches(50, 5, [torch.Generator().manual_seed(seed)], lengths)[:, 0] for seed in (0, 0, 1)
    )
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert not (lengths[first[:, 0]].diff() > 0).all()


def test_texts_are_batched_by_the_length_that_their_mask_tells():
    student, data = Linear([0], Settings(0.01, 10, 1)), toy_data()
    lengths = torch.randperm(60, generator=torch.Generator().manual_seed(3)) + 1
    data["attention_mask"] = (torch.arange(60) < lengths[:, None]).long()
    fit(student, data, data)
    assert sorted(sorted(lengths[rows[0]].tolist()) for rows in student.rows) == [
        list(range(start, start + 10)) for start in range(1, 61, 10)
    ]


def test_a_batch_larger_than_the_data_is_one_batch_of_all_rows():
    student = Linear([0], Settings(0.01, 1000, 3))
    fit(student, toy_data(), toy_data())
    assert [sorted(rows[0].tolist()) for rows in student.rows] == [list(range(60))] * 3


def rates(settings, total):
    return [rate(settings, step, total) for step in range(total)]


def test_a_constant_rate_is_one():
    assert rates(Settings(1, 1, 1), 5) == [1.0] * 5


def test_the_cosine_is_torchs():
    weight = nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.SGD([weight], lr=1.0)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=12)
    expected = []
    for _ in range(12):
        expected.append(scheduler.get_last_lr()[0])
        optimiser.step()
        scheduler.step()
    assert rates(Settings(1, 1, 1, "cosine"), 12) == pytest.approx(expected)
    assert rate(Settings(1, 1, 1, "cosine"), 12, 12) == pytest.approx(0, abs=1e-12)


def test_warm_up_rises_in_equal_steps_to_one_and_the_cosine_follows():
    values = rates(Settings(1, 1, 1, "cosine", warmup=0.2), 20)
    assert values[:5] == pytest.approx([1 / 5, 2 / 5, 3 / 5, 4 / 5, 1])
    assert values[4:] == pytest.approx([(1 + math.cos(math.pi * step / 16)) / 2 for step in range(16)])
    assert rates(Settings(1, 1, 1, warmup=0.2), 20)[4:] == [1.0] * 16


def test_the_rate_reaches_the_optimiser():
    """With a constant gradient Adam moves by the rate at each step: the way is the sum of the rates."""

    class Mover(Scripted):
        def __init__(self):
            super().__init__([[9] * 99], epochs=3)
            self.settings = Settings(0.5, 2, 3, "cosine", warmup=0.2)
            self.way = []

        def logits(self, batch):
            return torch.zeros(1, batch["labels"].shape[1], 2)

        def losses(self, batch, epoch):
            self.way.append(self.epoch.item())
            return super().losses(batch, epoch)

    student = Mover()
    fit(student, TEN, TEN)
    steps = torch.tensor(student.way[1:]) - torch.tensor(student.way[:-1])
    assert steps == pytest.approx(0.5 * torch.tensor(rates(student.settings, 15)[:-1]), abs=1e-5)


def test_clipping_bounds_the_gradient_that_adam_sees():
    class Steep(Linear):
        norms: tuple = ()

        def losses(self, batch, epoch):
            if self.weight.grad is not None:
                self.norms += (self.weight.grad.norm().item(),)
            return 1e6 * super().losses(batch, epoch)

    student = Steep([0], Settings(0.01, 20, 2, clip=1.0))
    fit(student, toy_data(), toy_data())
    assert student.norms == pytest.approx([1.0] * 5)


def test_a_short_training_writes_no_bar_however_many_its_epochs(capfd):
    student = Linear([0, 1], Settings(0.1, 60, epochs=300))
    fit(student, toy_data(), toy_data(40, seed=1))
    assert capfd.readouterr().err == ""
