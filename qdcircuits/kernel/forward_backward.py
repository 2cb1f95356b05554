"""The compiled kernel's two passes, with the tables that they read; called by `fast`.

The arrays are as in `kernels`; S students, B samples, L blocks, n qubits. A Canonical says what the
index tables are.
"""

import numpy as np

from qdcircuits.kernel.compiling import compiled
from qdcircuits.kernel.pieces import (
    Array,
    encode,
    encode_backward,
    read_out,
    read_out_backward,
    rotate,
    slopes,
    start,
    start_backward,
    step,
    step_backward,
    take,
    transform,
)
from qdcircuits.kernel.registers import LANES

Tables = tuple[Array, Array, Array]


@compiled
def tables(weights: Array, rotations: Array, phases: Array, fixed: Array, half: Array, phase: Array) -> None:
    """From weights (S, n_weights) to half the RY angles (S, slots) and phases (S, L, 2^n), both 0 before.

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
def table_gradients(
    rotations: Array, phases: Array, half_gradient: Array, phase_gradient: Array, gradient: Array
) -> None:
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
def forward(encoder: Array, half: Array, phase: Array, circuit: Tables, scratch: Array, kept: Array, z: Array) -> None:
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
                of_block = turns[first_turn[block] : first_turn[block + 1]]
                rotate(state, of_block, half[0, student], half[1, student])
            if kept.size:
                kept[student, tile // LANES, blocks] = state
            read_out(state, gathers[blocks], heap, z[student, tile : tile + samples])


@compiled
def backward(
    gradient: Array,
    encoder: Array,
    half: Array,
    phase: Array,
    circuit: Tables,
    scratch: Array,
    kept: Array,
    angles: Array,
    half_gradient: Array,
    phase_gradient: Array,
) -> None:
    """The gradients of `forward`. gradient: that of z, (S, B, n); the others as there.

    Written: angles (S, B, n), that of the encoder's angles. Added to, from 0: half_gradient (S, slots),
    that of the rotation angles, and phase_gradient (S, L, 2^n), that of the phases.
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
            read_out_backward(gradient[student, tile : tile + samples], history[blocks], gathers[blocks], heap, mu)
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
