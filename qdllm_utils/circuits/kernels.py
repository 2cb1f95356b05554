"""The compiled kernel: numba on plain flat arrays, one thread, called by `fast`.

A state is 2^n rows of 16 numbers: the real parts of eight samples, then their imaginary parts. Eight
samples fill a vector register (`lanes`), so a batch is padded to a multiple of 8. Two rotated qubits
are taken in one pass over the state.

Product states and readouts walk a binary heap of rows of 8: row 1 is the root, rows 2r and 2r + 1 are
row r with one more qubit, 0 or 1, and rows 2^n to 2^(n+1) - 1 are the basis states.

numba's cache knows this file's changes, not those of `lanes`: whoever changes LANES clears the cache.
"""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from qdllm_utils.circuits.lanes import LANES, ROW, load, load_row, store, total, walsh, zero_row, zeros

CHUNK = 512 * ROW  # numbers of a state that are worked on together, so that they stay in the first cache

OPTIONS = {"fastmath": {"contract", "reassoc", "nsz"}, "error_model": "numpy", "nogil": True}


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function compiled at its first call, and kept for the next process where a folder can be written.

    numba looks for one in this order: NUMBA_CACHE_DIR, beside this file, the user's cache folder.
    """
    try:
        return numba.njit(cache=True, **OPTIONS)(function)
    except RuntimeError:  # no folder at all: compiled anew in each process
        return numba.njit(**OPTIONS)(function)


@compiled
def rotate_two(state, high, low, cos_high, sin_high, cos_low, sin_low):
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
def slopes_two(mu, y, high, low):
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
def rotate_pairs(state, turns, cos, sin):
    """RY on the pairs of qubits in turns, in place."""
    for k in range(len(turns)):
        high, low, slot_high, slot_low = turns[k, 0], turns[k, 1], turns[k, 2], turns[k, 3]
        rotate_two(state, high * ROW, low * ROW, cos[slot_high], sin[slot_high], cos[slot_low], sin[slot_low])


@compiled
def rotate(state, turns, cos, sin):
    """All RYs of a block, in place: small strides chunk by chunk, then the others over the whole state."""
    chunk = min(CHUNK, state.size)
    inside = 0
    while inside < len(turns) and 2 * turns[inside, 0] * ROW <= chunk:
        inside += 1
    for start in range(0, state.size, chunk):
        rotate_pairs(state[start : start + chunk], turns[:inside], cos, sin)
    rotate_pairs(state, turns[inside:], cos, sin)


@compiled
def slopes(mu, y, turns, gradient):
    """Add the gradients of a block's rotation angles to gradient (slots,)."""
    for k in range(len(turns)):
        slope_high, slope_low = slopes_two(mu, y, turns[k, 0] * ROW, turns[k, 1] * ROW)
        gradient[turns[k, 2]] += slope_high / 2
        gradient[turns[k, 3]] += slope_low / 2


@compiled
def transform(values):
    """Walsh-Hadamard, in place: from values at masks to sums of signs over basis states, and back; 8 or more."""
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
def tables(weights, rotations, phases, fixed, half, phase):
    """From weights (S, n_weights) to half the RY angles (S, slots) and the phases (S, L, 2^n); both come as 0.

    The phases, here and below, are padded to 8 where 2^n is 4: those of higher masks stay 0.
    """
    for student in range(len(weights)):
        for k in range(len(rotations)):
            half[student, rotations[k, 1]] += weights[student, rotations[k, 0]] / 2
        for k in range(len(phases)):
            weight, block, mask = phases[k, 0], phases[k, 1], phases[k, 2]
            angle = fixed[k]
            if weight >= 0:
                angle += weights[student, weight]
            phase[student, block, mask] -= angle / 2
        for block in range(phase.shape[1]):
            transform(phase[student, block])


@compiled
def table_gradients(rotations, phases, half_gradient, phase_gradient, gradient):
    """The way back from `tables`: gradients of angles (S, slots) and phases into gradient (S, n_weights)."""
    for student in range(len(gradient)):
        for k in range(len(rotations)):
            gradient[student, rotations[k, 0]] += half_gradient[student, rotations[k, 1]]
        for block in range(phase_gradient.shape[1]):
            transform(phase_gradient[student, block])
        for k in range(len(phases)):
            weight, block, mask = phases[k, 0], phases[k, 1], phases[k, 2]
            if weight >= 0:
                gradient[student, weight] -= phase_gradient[student, block, mask] / 2


@compiled
def take(cos, sin, n_samples, wires):
    """Eight samples of the encoder's cos and sin (samples, n) as wires (n, 2, 8), the last repeated as padding."""
    for wire in range(cos.shape[1]):
        for lane in range(LANES):
            sample = min(lane, n_samples - 1)
            wires[wire, 0, lane] = cos[sample, wire]
            wires[wire, 1, lane] = sin[sample, wire]


@compiled
def encode(wires, heap):
    """The real product state of wires (n, 2, 8) into the leaves of heap."""
    heap[LANES : 2 * LANES] = 1
    for wire in range(len(wires)):
        zero, one = load(wires[wire, 0], 0), load(wires[wire, 1], 0)
        for k in range(LANES << wire, 2 * LANES << wire, LANES):
            parent = load(heap, k)
            store(heap, 2 * k, parent * zero)
            store(heap, 2 * k + LANES, parent * one)


@compiled
def encode_backward(wires, heap, heap_gradient, wires_gradient):
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
def start(heap, gather, cos, sin, y, kept):
    """The first y, into y and kept: the encoder's real amplitudes gathered, times the phase."""
    for x in range(len(gather)):
        amplitude = load(heap, (len(gather) + gather[x]) * LANES)
        real, imag = cos[x] * amplitude, sin[x] * amplitude
        store(y, x * ROW, real)
        store(y, x * ROW + LANES, imag)
        store(kept, x * ROW, real)
        store(kept, x * ROW + LANES, imag)


@compiled
def step(state, gather, cos, sin, y, kept):
    """y[x] = exp(i phase[x]) state[gather[x]], into y and kept."""
    for x in range(len(gather)):
        old_real, old_imag = load(state, gather[x] * ROW), load(state, gather[x] * ROW + LANES)
        real, imag = cos[x] * old_real - sin[x] * old_imag, sin[x] * old_real + cos[x] * old_imag
        store(y, x * ROW, real)
        store(y, x * ROW + LANES, imag)
        store(kept, x * ROW, real)
        store(kept, x * ROW + LANES, imag)


@compiled
def start_backward(mu, y, gather, cos, sin, heap_gradient, slopes):
    """The way back from `start`: slopes as below, the amplitudes' gradient into the leaves of heap_gradient."""
    for x in range(len(gather)):
        real, imag = load(mu, x * ROW), load(mu, x * ROW + LANES)
        slopes[x] += total(imag * load(y, x * ROW) - real * load(y, x * ROW + LANES))
        store(heap_gradient, (len(gather) + gather[x]) * LANES, cos[x] * real + sin[x] * imag)


@compiled
def step_backward(mu, y, gather, cos, sin, state, slopes):
    """The way back from `step`: state[gather[x]] = exp(-i phase[x]) mu[x], slopes[x] += Im(mu conj(y))."""
    for x in range(len(gather)):
        real, imag = load(mu, x * ROW), load(mu, x * ROW + LANES)
        slopes[x] += total(imag * load(y, x * ROW) - real * load(y, x * ROW + LANES))
        store(state, gather[x] * ROW, cos[x] * real + sin[x] * imag)
        store(state, gather[x] * ROW + LANES, cos[x] * imag - sin[x] * real)


@compiled
def read_out(state, gather, heap, z):
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
def read_out_backward(gradient, state, gather, heap, co_state):
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


@compiled
def forward(encoder, half, phase, circuit, scratch, kept, z):
    """<Z_j> of S students on B samples each.

    encoder: (2, S or 1, B, n), half: (2, S, slots), phase: (2, S, L, 2^n), each as cos and sin.
    circuit: gathers, turns and first_turn of a Canonical. z: (S, B, n), written.
    kept: (S, ceil(B / 8), L + 1, 16 * 2^n) keeps every y and the last X for `backward`; (0, 0, 0, 0) keeps
    nothing. scratch: (4, 16 * 2^n), aligned like kept to 64 bytes: else every row lies in two cache lines.
    """
    gathers, turns, first_turn = circuit
    students, batch, n = z.shape
    blocks = phase.shape[2]
    state, y, heap = scratch[0], scratch[1], scratch[2]
    wires = np.empty((n, 2, LANES), z.dtype)
    for student in range(students):
        rows = student % encoder.shape[1]
        for tile in range(0, batch, LANES):
            samples = min(LANES, batch - tile)
            take(encoder[0, rows, tile:], encoder[1, rows, tile:], samples, wires)
            encode(wires, heap)
            for block in range(blocks):
                cos, sin = phase[0, student, block], phase[1, student, block]
                copy = kept[student, tile // LANES, block] if kept.size else y
                if block == 0:
                    start(heap, gathers[0], cos, sin, y, copy)
                else:
                    step(state, gathers[block], cos, sin, y, copy)
                state, y = y, state
                rotate(
                    state, turns[first_turn[block] : first_turn[block + 1]], half[0, student], half[1, student]
                )
            if kept.size:
                kept[student, tile // LANES, blocks] = state
            read_out(state, gathers[blocks], heap, z[student, tile : tile + samples])


@compiled
def backward(gradient, encoder, half, phase, circuit, scratch, kept, angles, half_gradient, phase_gradient):
    """The gradients of `forward`. gradient: that of z, (S, B, n); the others as there.

    Written: angles (S, B, n), that of the encoder's angles. Added to, from 0: half_gradient (S, slots), that of
    the rotation angles, and phase_gradient (S, L, 2^n), that of the phases.
    """
    gathers, turns, first_turn = circuit
    students, batch, n = gradient.shape
    blocks = phase.shape[2]
    wires = np.empty((n, 2, LANES), gradient.dtype)
    wires_gradient = np.empty((n, 2, LANES), gradient.dtype)
    mu, spare, heap, heap_gradient = scratch[0], scratch[1], scratch[2], scratch[3]
    for student in range(students):
        rows = student % encoder.shape[1]
        for tile in range(0, batch, LANES):
            samples = min(LANES, batch - tile)
            history = kept[student, tile // LANES]
            read_out_backward(
                gradient[student, tile : tile + samples], history[blocks], gathers[blocks], heap, mu
            )
            for block in range(blocks - 1, -1, -1):
                cos, sin = phase[0, student, block], phase[1, student, block]
                of_block = turns[first_turn[block] : first_turn[block + 1]]
                rotate(mu, of_block, half[0, student], -half[1, student])
                slopes(mu, history[block], of_block, half_gradient[student])
                of_phase = phase_gradient[student, block]
                if block:
                    step_backward(mu, history[block], gathers[block], cos, sin, spare, of_phase)
                    mu, spare = spare, mu
                else:
                    start_backward(mu, history[0], gathers[0], cos, sin, heap_gradient, of_phase)
            take(encoder[0, rows, tile:], encoder[1, rows, tile:], samples, wires)
            encode(wires, heap)
            encode_backward(wires, heap, heap_gradient, wires_gradient)
            for lane in range(samples):
                for wire in range(n):
                    cosine, sine = wires[wire, 0, lane], wires[wire, 1, lane]
                    toward = cosine * wires_gradient[wire, 1, lane] - sine * wires_gradient[wire, 0, lane]
                    angles[student, tile + lane, wire] = toward / 2
