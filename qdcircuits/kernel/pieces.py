"""The pieces of the compiled kernel: numba on plain flat arrays, one thread; `passes` puts them together.

A state is 2^n rows of 16 numbers: the real parts of eight samples, then their imaginary parts. Eight
samples fill a vector register (`lanes`), so a batch is padded to a multiple of 8. Two rotated qubits
are taken in one pass over the state.

Product states and readouts walk a binary heap of rows of 8: row 1 is the root, rows 2r and 2r + 1 are
row r with one more qubit, 0 or 1, and rows 2^n to 2^(n+1) - 1 are the basis states.
"""

from typing import Any

from numpy.typing import NDArray

from qdcircuits.kernel.compiling import compiled
from qdcircuits.kernel.registers import LANES, ROW, load, load_row, store, total, walsh, zero_row, zeros

CHUNK = 512 * ROW  # numbers of a state that are worked on together, so that they stay in the first cache

Array = NDArray[Any]


@compiled
def rotate_two(
    state: Array, high: int, low: int, cos_high: float, sin_high: float, cos_low: float, sin_low: float
) -> None:
    """RY on two qubits, in place. high, low: the distance of 0 and 1 of each, in numbers; high > low."""
    for outer in range(0, state.size, 2 * high):
        for inner in range(outer, outer + high, 2 * low):
            for k in range(inner, inner + low, ROW):
                a, b = load_row(state, k), load_row(state, k + low)
                c, d = load_row(state, k + high), load_row(state, k + high + low)
                a, b = cos_low * a - sin_low * b, sin_low * a + cos_low * b
                c, d = cos_low * c - sin_low * d, sin_low * c + cos_low * d
                store(state, k, cos_high * a - sin_high * c)
                store(state, k + low, cos_high * b - sin_high * d)
                store(state, k + high, sin_high * a + cos_high * c)
                store(state, k + high + low, sin_high * b + cos_high * d)


@compiled
def slopes_two(mu: Array, y: Array, high: int, low: int) -> tuple[float, float]:
    """sum of mu_1 y_0 - mu_0 y_1 over either qubit: twice the gradients of the two angles."""
    high_0, high_1, low_0, low_1 = zero_row(mu), zero_row(mu), zero_row(mu), zero_row(mu)
    for outer in range(0, mu.size, 2 * high):
        for inner in range(outer, outer + high, 2 * low):
            for k in range(inner, inner + low, ROW):
                a, b = load_row(mu, k), load_row(mu, k + low)
                c, d = load_row(mu, k + high), load_row(mu, k + high + low)
                e, f = load_row(y, k), load_row(y, k + low)
                g, h = load_row(y, k + high), load_row(y, k + high + low)
                high_0 += c * e - a * g
                high_1 += d * f - b * h
                low_0 += b * e - a * f
                low_1 += d * g - c * h
    return total(high_0 + high_1), total(low_0 + low_1)


@compiled
def rotate_pairs(state: Array, turns: Array, cos: Array, sin: Array) -> None:
    """RY on the pairs of qubits in turns, in place."""
    for k in range(len(turns)):
        high, low, slot_high, slot_low = turns[k, 0], turns[k, 1], turns[k, 2], turns[k, 3]
        rotate_two(state, high * ROW, low * ROW, cos[slot_high], sin[slot_high], cos[slot_low], sin[slot_low])


@compiled
def rotate(state: Array, turns: Array, cos: Array, sin: Array) -> None:
    """All RYs of a block, in place: small strides chunk by chunk, then the others over the whole state."""
    chunk = min(CHUNK, state.size)
    inside = 0
    while inside < len(turns) and 2 * turns[inside, 0] * ROW <= chunk:
        inside += 1
    for start in range(0, state.size, chunk):
        rotate_pairs(state[start : start + chunk], turns[:inside], cos, sin)
    rotate_pairs(state, turns[inside:], cos, sin)


@compiled
def slopes(mu: Array, y: Array, turns: Array, gradient: Array) -> None:
    """Add the gradients of a block's rotation angles to gradient (slots,)."""
    for k in range(len(turns)):
        slope_high, slope_low = slopes_two(mu, y, turns[k, 0] * ROW, turns[k, 1] * ROW)
        gradient[turns[k, 2]] += slope_high / 2
        gradient[turns[k, 3]] += slope_low / 2


@compiled
def transform(values: Array) -> None:
    """Walsh-Hadamard, in place, of 8 values or more: from values at masks to sums of signs, and back."""
    for k in range(0, values.size, LANES):
        store(values, k, walsh(load(values, k)))
    stride = LANES
    while stride < values.size:
        for start in range(0, values.size, 2 * stride):
            for k in range(start, start + stride, LANES):
                a, b = load(values, k), load(values, k + stride)
                store(values, k, a + b)
                store(values, k + stride, a - b)
        stride *= 2


@compiled
def take(cos: Array, sin: Array, n_samples: int, wires: Array) -> None:
    """Eight samples of the encoder's cos and sin (samples, n) as wires (n, 2, 8), padded with the last."""
    for wire in range(cos.shape[1]):
        for lane in range(LANES):
            sample = min(lane, n_samples - 1)
            wires[wire, 0, lane] = cos[sample, wire]
            wires[wire, 1, lane] = sin[sample, wire]


@compiled
def encode(wires: Array, heap: Array) -> None:
    """The real product state of wires (n, 2, 8) into the leaves of heap."""
    heap[LANES : 2 * LANES] = 1
    for wire in range(len(wires)):
        zero, one = load(wires[wire, 0], 0), load(wires[wire, 1], 0)
        for k in range(LANES << wire, 2 * LANES << wire, LANES):
            parent = load(heap, k)
            store(heap, 2 * k, parent * zero)
            store(heap, 2 * k + LANES, parent * one)


@compiled
def encode_backward(wires: Array, heap: Array, heap_gradient: Array, wires_gradient: Array) -> None:
    """From the gradient in the leaves of heap_gradient to that of wires; heap as `encode` left it."""
    for wire in range(len(wires) - 1, -1, -1):
        zero, one = load(wires[wire, 0], 0), load(wires[wire, 1], 0)
        sum_zero, sum_one = zeros(heap), zeros(heap)
        for k in range(LANES << wire, 2 * LANES << wire, LANES):
            parent = load(heap, k)
            to_zero, to_one = load(heap_gradient, 2 * k), load(heap_gradient, 2 * k + LANES)
            sum_zero += to_zero * parent
            sum_one += to_one * parent
            store(heap_gradient, k, to_zero * zero + to_one * one)
        store(wires_gradient[wire, 0], 0, sum_zero)
        store(wires_gradient[wire, 1], 0, sum_one)


@compiled
def start(heap: Array, gather: Array, cos: Array, sin: Array, y: Array, kept: Array) -> None:
    """The first y, into y and kept: the encoder's real amplitudes gathered, times the phase."""
    for x in range(len(gather)):
        amplitude = load(heap, (len(gather) + gather[x]) * LANES)
        real, imag = cos[x] * amplitude, sin[x] * amplitude
        store(y, x * ROW, real)
        store(y, x * ROW + LANES, imag)
        store(kept, x * ROW, real)
        store(kept, x * ROW + LANES, imag)


@compiled
def step(state: Array, gather: Array, cos: Array, sin: Array, y: Array, kept: Array) -> None:
    """y[x] = exp(i phase[x]) state[gather[x]], into y and kept."""
    for x in range(len(gather)):
        old_real, old_imag = load(state, gather[x] * ROW), load(state, gather[x] * ROW + LANES)
        real, imag = cos[x] * old_real - sin[x] * old_imag, sin[x] * old_real + cos[x] * old_imag
        store(y, x * ROW, real)
        store(y, x * ROW + LANES, imag)
        store(kept, x * ROW, real)
        store(kept, x * ROW + LANES, imag)


@compiled
def start_backward(
    mu: Array, y: Array, gather: Array, cos: Array, sin: Array, heap_gradient: Array, slopes: Array
) -> None:
    """The way back from `start`: slopes as below, amplitudes' gradients into the leaves of heap_gradient."""
    for x in range(len(gather)):
        real, imag = load(mu, x * ROW), load(mu, x * ROW + LANES)
        slopes[x] += total(imag * load(y, x * ROW) - real * load(y, x * ROW + LANES))
        store(heap_gradient, (len(gather) + gather[x]) * LANES, cos[x] * real + sin[x] * imag)


@compiled
def step_backward(mu: Array, y: Array, gather: Array, cos: Array, sin: Array, state: Array, slopes: Array) -> None:
    """The way back from `step`: state[gather[x]] = exp(-i phase[x]) mu[x], slopes[x] += Im(mu conj(y))."""
    for x in range(len(gather)):
        real, imag = load(mu, x * ROW), load(mu, x * ROW + LANES)
        slopes[x] += total(imag * load(y, x * ROW) - real * load(y, x * ROW + LANES))
        store(state, gather[x] * ROW, cos[x] * real + sin[x] * imag)
        store(state, gather[x] * ROW + LANES, cos[x] * imag - sin[x] * real)


@compiled
def read_out(state: Array, gather: Array, heap: Array, z: Array) -> None:
    """<Z_j> of eight samples into z (8 or fewer, n): differences of the subtrees of heap."""
    for x in range(len(gather)):
        real, imag = load(state, gather[x] * ROW), load(state, gather[x] * ROW + LANES)
        store(heap, (len(gather) + x) * LANES, real * real + imag * imag)
    for wire in range(z.shape[1] - 1, -1, -1):
        difference = zeros(heap)
        for k in range(LANES << wire, 2 * LANES << wire, LANES):
            zero, one = load(heap, 2 * k), load(heap, 2 * k + LANES)
            difference += zero - one
            store(heap, k, zero + one)
        store(heap, 0, difference)
        z[:, wire] = heap[: len(z)]


@compiled
def read_out_backward(gradient: Array, state: Array, gather: Array, heap: Array, co_state: Array) -> None:
    """co_state = 2 X sum_j gradient_j s_j, gradient (8 or fewer, n); the padding gets 0."""
    heap[: 2 * LANES] = 0
    for wire in range(gradient.shape[1]):
        heap[: len(gradient)] = gradient[:, wire]
        toward = load(heap, 0)
        for k in range(LANES << wire, 2 * LANES << wire, LANES):
            parent = load(heap, k)
            store(heap, 2 * k, parent + toward)
            store(heap, 2 * k + LANES, parent - toward)
    for x in range(len(gather)):
        k = gather[x] * ROW
        half = load(heap, (len(gather) + x) * LANES)
        store(co_state, k, (half + half) * load(state, k))
        store(co_state, k + LANES, (half + half) * load(state, k + LANES))
