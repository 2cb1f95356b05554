"""The compiled kernel: numba on plain arrays, one thread, called by `fast`.

A state is a flat array of 2^n rows of 16 numbers: real parts of 8 samples, then their imaginary parts.
Eight samples are a vector register's worth, so the innermost loops are always full; a batch is padded
to a multiple of 8. Two rotated qubits are taken in one pass over the state. A pass slices the four
branches out first: the compiler then proves once a slice that they do not overlap, and vectorises.

Product states and readouts walk a binary heap: row 1 is the root, rows 2r and 2r + 1 are row r with
one more qubit, 0 or 1, and rows 2^n to 2^(n+1) - 1 are the basis states. `cache=True` does not notice
changed globals: whoever changes LANES, ROW or CHUNK clears the cache.
"""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np

LANES = 8  # samples side by side
ROW = 2 * LANES
CHUNK = 512 * ROW  # numbers of a state that are worked on together, so that they stay in the first cache

# Not fastmath=True: a NaN must come out as a NaN.
OPTIONS = {"fastmath": {"contract", "reassoc", "nsz", "arcp"}, "error_model": "numpy", "nogil": True}


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
        for start in range(outer, outer + high, 2 * low):
            s00 = state[start : start + low]
            s01 = state[start + low : start + 2 * low]
            s10 = state[start + high : start + high + low]
            s11 = state[start + high + low : start + high + 2 * low]
            for k in range(low):
                a, b, c, d = s00[k], s01[k], s10[k], s11[k]
                a, b = cos_low * a - sin_low * b, sin_low * a + cos_low * b
                c, d = cos_low * c - sin_low * d, sin_low * c + cos_low * d
                s00[k], s10[k] = cos_high * a - sin_high * c, sin_high * a + cos_high * c
                s01[k], s11[k] = cos_high * b - sin_high * d, sin_high * b + cos_high * d


@compiled
def slopes_two(mu, y, high, low):
    """sum of mu_1 y_0 - mu_0 y_1 over either qubit: twice the gradients of the two angles."""
    slope_high = mu[0] * 0
    slope_low = mu[0] * 0
    for outer in range(0, mu.size, 2 * high):
        for start in range(outer, outer + high, 2 * low):
            m00, y00 = mu[start : start + low], y[start : start + low]
            m01, y01 = mu[start + low : start + 2 * low], y[start + low : start + 2 * low]
            second = start + high
            m10, y10 = mu[second : second + low], y[second : second + low]
            m11, y11 = mu[second + low : second + 2 * low], y[second + low : second + 2 * low]
            for k in range(low):
                slope_high += m10[k] * y00[k] - m00[k] * y10[k] + m11[k] * y01[k] - m01[k] * y11[k]
                slope_low += m01[k] * y00[k] - m00[k] * y01[k] + m11[k] * y10[k] - m10[k] * y11[k]
    return slope_high, slope_low


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
def walsh(values):
    """Walsh-Hadamard transform, in place: from values at masks to sums of signs over basis states, and back."""
    stride = 1
    while stride < values.size:
        for start in range(0, values.size, 2 * stride):
            first = values[start : start + stride]
            second = values[start + stride : start + 2 * stride]
            for k in range(stride):
                a, b = first[k], second[k]
                first[k], second[k] = a + b, a - b
        stride *= 2


@compiled
def tables(weights, rotations, phases, fixed, half, phase):
    """From weights (S, n_weights) to half the RY angles (S, slots) and the phases (S, L, 2^n); both come as 0."""
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
            walsh(phase[student, block])


@compiled
def table_gradients(rotations, phases, half_gradient, phase_gradient, gradient):
    """The way back from `tables`: gradients of angles (S, slots) and phases into gradient (S, n_weights)."""
    for student in range(len(gradient)):
        for k in range(len(rotations)):
            gradient[student, rotations[k, 0]] += half_gradient[student, rotations[k, 1]]
        for block in range(phase_gradient.shape[1]):
            walsh(phase_gradient[student, block])
        for k in range(len(phases)):
            weight, block, mask = phases[k, 0], phases[k, 1], phases[k, 2]
            if weight >= 0:
                gradient[student, weight] -= phase_gradient[student, block, mask] / 2


@compiled
def load(cos, sin, n_samples, wires):
    """Eight samples of the encoder's cos and sin (samples, n) as wires (n, 2, 8), the last repeated as padding."""
    for wire in range(cos.shape[1]):
        for lane in range(LANES):
            sample = min(lane, n_samples - 1)
            wires[wire, 0, lane] = cos[sample, wire]
            wires[wire, 1, lane] = sin[sample, wire]


@compiled
def encode(wires, heap):
    """The real product state of wires (n, 2, 8) into the leaves of heap (2^(n+1), 8)."""
    heap[1] = 1
    for wire in range(len(wires)):
        for row in range(1 << wire, 2 << wire):
            for bit in range(2):
                for lane in range(LANES):
                    heap[2 * row + bit, lane] = heap[row, lane] * wires[wire, bit, lane]


@compiled
def encode_backward(wires, heap, heap_gradient, wires_gradient):
    """From the gradient in the leaves of heap_gradient to that of wires; heap as `encode` left it."""
    wires_gradient[:] = 0
    for wire in range(len(wires) - 1, -1, -1):
        for row in range(1 << wire, 2 << wire):
            for lane in range(LANES):
                zero, one = heap_gradient[2 * row, lane], heap_gradient[2 * row + 1, lane]
                wires_gradient[wire, 0, lane] += zero * heap[row, lane]
                wires_gradient[wire, 1, lane] += one * heap[row, lane]
                heap_gradient[row, lane] = zero * wires[wire, 0, lane] + one * wires[wire, 1, lane]


@compiled
def start(heap, gather, cos, sin, y):
    """The first y: the encoder's real amplitudes gathered, times the phase."""
    leaves = heap[len(gather) :]
    for x in range(len(gather)):
        row = y[x * ROW : (x + 1) * ROW]
        for lane in range(LANES):
            amplitude = leaves[gather[x], lane]
            row[lane] = cos[x] * amplitude
            row[lane + LANES] = sin[x] * amplitude


@compiled
def step(state, gather, cos, sin, y):
    """y[x] = exp(i phase[x]) state[gather[x]]."""
    for x in range(len(gather)):
        source = state[gather[x] * ROW : (gather[x] + 1) * ROW]
        target = y[x * ROW : (x + 1) * ROW]
        for lane in range(LANES):
            real, imag = source[lane], source[lane + LANES]
            target[lane] = cos[x] * real - sin[x] * imag
            target[lane + LANES] = sin[x] * real + cos[x] * imag


@compiled
def phase_slopes(mu, y, gradient):
    """Add Im(mu conj(y)), summed over the samples, to gradient (2^n,)."""
    for x in range(len(gradient)):
        total = mu[0] * 0
        for k in range(x * ROW, x * ROW + LANES):
            total += mu[k + LANES] * y[k] - mu[k] * y[k + LANES]
        gradient[x] += total


@compiled
def start_backward(mu, gather, cos, sin, heap_gradient):
    """The way back from `start`: the gradient of the amplitudes into the leaves of heap_gradient."""
    leaves = heap_gradient[len(gather) :]
    for x in range(len(gather)):
        row = mu[x * ROW : (x + 1) * ROW]
        for lane in range(LANES):
            leaves[gather[x], lane] = cos[x] * row[lane] + sin[x] * row[lane + LANES]


@compiled
def step_backward(mu, gather, cos, sin, state):
    """The way back from `step`: state[gather[x]] = exp(-i phase[x]) mu[x]."""
    for x in range(len(gather)):
        source = mu[x * ROW : (x + 1) * ROW]
        target = state[gather[x] * ROW : (gather[x] + 1) * ROW]
        for lane in range(LANES):
            real, imag = source[lane], source[lane + LANES]
            target[lane] = cos[x] * real + sin[x] * imag
            target[lane + LANES] = cos[x] * imag - sin[x] * real


@compiled
def read_out(state, gather, heap, z):
    """<Z_j> of eight samples into z (8 or fewer, n): sums over the subtrees of heap (2^(n+1), 8)."""
    leaves = heap[len(gather) :]
    for x in range(len(gather)):
        row = state[gather[x] * ROW : (gather[x] + 1) * ROW]
        for lane in range(LANES):
            leaves[x, lane] = row[lane] ** 2 + row[lane + LANES] ** 2
    difference = np.empty(LANES, state.dtype)
    for wire in range(z.shape[1] - 1, -1, -1):
        difference[:] = 0
        for row_number in range(1 << wire, 2 << wire):
            for lane in range(LANES):
                zero, one = heap[2 * row_number, lane], heap[2 * row_number + 1, lane]
                difference[lane] += zero - one
                heap[row_number, lane] = zero + one
        z[:, wire] = difference[: len(z)]


@compiled
def read_out_backward(gradient, state, gather, heap, co_state):
    """co_state = 2 X sum_j gradient_j s_j, gradient (8 or fewer, n); the padding gets 0."""
    heap[1] = 0
    for wire in range(gradient.shape[1]):
        for row_number in range(1 << wire, 2 << wire):
            for lane in range(len(gradient)):
                heap[2 * row_number, lane] = heap[row_number, lane] + gradient[lane, wire]
                heap[2 * row_number + 1, lane] = heap[row_number, lane] - gradient[lane, wire]
            heap[2 * row_number : 2 * row_number + 2, len(gradient) :] = 0
    leaves = heap[len(gather) :]
    for x in range(len(gather)):
        source = state[gather[x] * ROW : (gather[x] + 1) * ROW]
        target = co_state[gather[x] * ROW : (gather[x] + 1) * ROW]
        for lane in range(LANES):
            twice = 2 * leaves[x, lane]
            target[lane] = twice * source[lane]
            target[lane + LANES] = twice * source[lane + LANES]


@compiled
def forward(encoder, half, phase, circuit, kept, z):
    """<Z_j> of S students on B samples each.

    encoder: (2, S or 1, B, n), half: (2, S, slots), phase: (2, S, L, 2^n), each as cos and sin.
    circuit: gathers, turns and first_turn of a Canonical. z: (S, B, n), written.
    kept: (S, ceil(B / 8), L + 1, 16 * 2^n) keeps every y and the last X for `backward`; (0, 0, 0, 0) keeps
    nothing.
    """
    gathers, turns, first_turn = circuit
    students, batch, n = z.shape
    blocks, states = phase.shape[2:]
    heap = np.empty((2 * states, LANES), z.dtype)
    wires = np.empty((n, 2, LANES), z.dtype)
    state = np.empty(states * ROW, z.dtype)
    y = np.empty(states * ROW, z.dtype)
    for student in range(students):
        rows = student % encoder.shape[1]
        for tile in range(0, batch, LANES):
            samples = min(LANES, batch - tile)
            load(encoder[0, rows, tile:], encoder[1, rows, tile:], samples, wires)
            encode(wires, heap)
            for block in range(blocks):
                cos, sin = phase[0, student, block], phase[1, student, block]
                if block == 0:
                    start(heap, gathers[0], cos, sin, y)
                else:
                    step(state, gathers[block], cos, sin, y)
                if kept.size:
                    kept[student, tile // LANES, block] = y
                state, y = y, state
                rotate(
                    state, turns[first_turn[block] : first_turn[block + 1]], half[0, student], half[1, student]
                )
            if kept.size:
                kept[student, tile // LANES, blocks] = state
            read_out(state, gathers[blocks], heap, z[student, tile : tile + samples])


@compiled
def backward(gradient, encoder, half, phase, circuit, kept, angles, half_gradient, phase_gradient):
    """The gradients of `forward`. gradient: that of z, (S, B, n); the others as there.

    Written: angles (S, B, n), that of the encoder's angles. Added to, from 0: half_gradient (S, slots), that of
    the rotation angles, and phase_gradient (S, L, 2^n), that of the phases.
    """
    gathers, turns, first_turn = circuit
    students, batch, n = gradient.shape
    blocks, states = phase.shape[2:]
    heap = np.empty((2 * states, LANES), gradient.dtype)
    heap_gradient = np.empty((2 * states, LANES), gradient.dtype)
    wires = np.empty((n, 2, LANES), gradient.dtype)
    wires_gradient = np.empty((n, 2, LANES), gradient.dtype)
    mu = np.empty(states * ROW, gradient.dtype)
    spare = np.empty(states * ROW, gradient.dtype)
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
                phase_slopes(mu, history[block], phase_gradient[student, block])
                if block:
                    step_backward(mu, gathers[block], cos, sin, spare)
                    mu, spare = spare, mu
                else:
                    start_backward(mu, gathers[0], cos, sin, heap_gradient)
            load(encoder[0, rows, tile:], encoder[1, rows, tile:], samples, wires)
            encode(wires, heap)
            encode_backward(wires, heap, heap_gradient, wires_gradient)
            for lane in range(samples):
                for wire in range(n):
                    cosine, sine = wires[wire, 0, lane], wires[wire, 1, lane]
                    toward = cosine * wires_gradient[wire, 1, lane] - sine * wires_gradient[wire, 0, lane]
                    angles[student, tile + lane, wire] = toward / 2
