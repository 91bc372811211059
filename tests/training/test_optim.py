"""The rate's course: a warm-up, then a cosine or, as the paper pretrains, no course at all."""

from vljepa.training.optim import schedule


def test_a_constant_rate_stays_after_the_warm_up() -> None:
    assert [schedule(step, steps=8, warmup=2, shape="constant") for step in range(8)] == [0.5] + [1.0] * 7
