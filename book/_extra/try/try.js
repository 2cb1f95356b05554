/* The page "Try the student": a trained student's circuit, simulated amplitude by amplitude, beside its largest terms.
   Plain JavaScript, no library, no request. The arithmetic stands first and touches no page: tests call it by name. */
"use strict";

window.qdllmTry = (() => {
  /** <Z_j> of every qubit, from the encoder's angles in rad; gates whose number is in `off` (a Set) are left out.
      The state is 2^n complex amplitudes; bit j of an amplitude's number is qubit j. */
  function expectations(data, student, inputs, off = new Set()) {
    const size = 2 ** data.qubits;
    const re = new Float64Array(size), im = new Float64Array(size);
    re[0] = 1;
    data.gates.forEach(([name, wires, source, index], number) => {
      if (off.has(number)) return;
      const angle = source === "input" ? inputs[index] : source === "weight" ? student.weights[index] : 0;
      apply(re, im, name, wires, angle);
    });
    const z = new Array(data.qubits).fill(0);
    for (let k = 0; k < size; k++) {
      const probability = re[k] * re[k] + im[k] * im[k];
      for (let qubit = 0; qubit < z.length; qubit++) z[qubit] += k >> qubit & 1 ? -probability : probability;
    }
    return z;
  }

  /** One gate on the amplitudes, in place; a rotation is exp(-i angle/2 P). */
  function apply(re, im, name, wires, angle) {
    const cos = Math.cos(angle / 2), sin = Math.sin(angle / 2);
    const bit = 1 << wires[0], other = wires.length > 1 ? 1 << wires[1] : 0;
    for (let k = 0; k < re.length; k++) {
      if (name === "RZ" || name === "RZZ") {
        const odd = Boolean(k & bit) !== Boolean(k & other);
        const phase = odd ? sin : -sin;
        const real = re[k];
        re[k] = cos * real - phase * im[k];
        im[k] = cos * im[k] + phase * real;
      } else if (name === "CNOT") {
        if (!(k & bit) || k & other) continue;  // control 1, target 0: each pair is met once
        const to = k | other;
        [re[k], re[to]] = [re[to], re[k]];
        [im[k], im[to]] = [im[to], im[k]];
      } else {
        if (k & bit) continue;
        const to = k | bit;
        const [r0, i0, r1, i1] = [re[k], im[k], re[to], im[to]];
        if (name === "RY") {
          re[k] = cos * r0 - sin * r1;
          im[k] = cos * i0 - sin * i1;
          re[to] = sin * r0 + cos * r1;
          im[to] = sin * i0 + cos * i1;
        } else if (name === "RX") {
          re[k] = cos * r0 + sin * i1;
          im[k] = cos * i0 - sin * r1;
          re[to] = cos * r1 + sin * i0;
          im[to] = cos * i1 - sin * r0;
        } else {
          throw new Error(`The page knows no gate ${name}.`);
        }
      }
    }
  }

  /** <Z_j> by the largest `count` terms of each output: coefficient times a product of 1, cos z_i or sin z_i. */
  function shortened(student, inputs, count) {
    const factors = inputs.map((angle) => [1, Math.cos(angle), Math.sin(angle)]);
    return student.terms.map((terms) => terms.slice(0, count).reduce(
      (sum, [coefficient, word]) => sum + [...word].reduce((product, digit, i) => product * factors[i][digit], coefficient),
      0));
  }

  /** The probability of each class: softmax of the linear head on <Z>. */
  function probabilities(student, z) {
    const logits = student.bias.map((bias, c) => z.reduce((sum, value, j) => sum + value * student.head[j][c], bias));
    const top = Math.max(...logits);
    const powers = logits.map((value) => Math.exp(value - top));
    const total = powers.reduce((sum, value) => sum + value, 0);
    return powers.map((value) => value / total);
  }

  return { expectations, shortened, probabilities };
})();

(() => {
  const root = document.getElementById("qdllm-try");
  const data = window.qdllmStudents;
  if (!root || !data) return;
  const { expectations, shortened, probabilities } = window.qdllmTry;
  const state = { task: "emotion", text: 0, inputs: [], terms: 3, off: new Set() };
  const qubits = [...Array(data.qubits).keys()];
  const student = () => data.students[state.task];
  const signed = (value, places = 3) => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(places);
  const percent = (value) => `${(100 * value).toFixed(1)}%`;
  const largest = (values) => values.indexOf(Math.max(...values));
  const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

  /** An element with attributes and children; a function value is a listener. */
  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (typeof value === "function") element.addEventListener(name, value);
      else element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  }

  function options(select, names, chosen) {
    select.replaceChildren(...names.map((name, i) => make("option", { value: i }, name)));
    select.value = chosen;
  }

  // --- what is chosen: the student, a text, how many terms ---
  const tasks = Object.keys(data.students);
  const taskBox = make("select", { id: "qd-try-task", change: () => { state.task = tasks[taskBox.value]; newTask(); } });
  const textBox = make("select", { id: "qd-try-text", change: () => { state.text = Number(textBox.value); newText(); } });
  const termsBox = make("select", { id: "qd-try-terms", change: () => { state.terms = Number(termsBox.value); show(); } });
  options(taskBox, tasks.map((task) => data.students[task].title), 0);
  for (const count of [1, 3, 10]) termsBox.append(make("option", { value: count }, plural(count, "term")));
  termsBox.value = state.terms;
  const written = make("p", { class: "qd-try-text" });
  const field = (label, box) => make("div", { class: "qd-try-field" }, make("label", { for: box.id }, label), box);

  // --- the angles and <Z> ---
  const sliders = qubits.map((qubit) => make("input", {
    type: "range", min: 0, max: Math.PI, step: "any", "aria-label": `Angle of qubit ${qubit}`,
    input: () => { state.inputs[qubit] = Number(sliders[qubit].value); state.text = -1; show(); },
  }));
  const cells = qubits.map(() => Object.fromEntries(
    ["angle", "circuit", "terms"].map((name) => [name, make("td", { class: "qd-try-number" })])));
  const bars = qubits.map(() => [make("span", { class: "qd-try-circuit" }), make("span", { class: "qd-try-terms" })]);
  const heading = make("th", { scope: "col" });
  const rows = qubits.map((qubit) => make("tr", {},
    make("th", { scope: "row" }, `${qubit}`), make("td", {}, sliders[qubit]), cells[qubit].angle,
    make("td", { class: "qd-try-bars", "aria-hidden": "true" }, ...bars[qubit]), cells[qubit].circuit, cells[qubit].terms));
  const angles = make("table", { class: "qd-try-table" },
    make("caption", {}, "Angles in rad, and ⟨Z⟩ of each qubit between −1 and +1. Upper bar: the circuit; lower bar: the terms."),
    make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "qubit"), make("th", { scope: "col" }, "angle"),
      make("th", { scope: "col" }, "rad"), make("td", { class: "qd-try-bars", "aria-hidden": "true" }), make("th", { scope: "col" }, "circuit"), heading)),
    make("tbody", {}, ...rows));

  // --- the classes ---
  const classHeading = make("th", { scope: "col" });
  const classRows = make("tbody");
  const classes = make("table", { class: "qd-try-table" }, make("caption", {}, "Probability of each class"),
    make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "class"), make("th", { scope: "col" }, "circuit"), classHeading)),
    classRows);
  const said = make("p", { class: "qd-try-said", role: "status", "aria-live": "polite" });

  // --- the gates: those of a kind and layer together, or one by one ---
  const groups = [];
  data.gates.forEach(([name], number) => {
    if (data.gates[number][2] === "input") return;
    const layer = groups.filter((group) => group.name === "CNOT" && group.done).length;
    let group = groups.find((one) => one.name === name && one.layer === layer);
    if (!group) groups.push(group = { name, layer, members: [], done: false });
    group.members.push(number);
    const next = data.gates[number + 1];
    if (name === "CNOT" && (!next || next[0] !== "CNOT")) group.done = true;
  });
  const single = new Map();
  for (const group of groups) {
    const where = `${group.name}, layer ${group.layer + 1}`;
    group.box = make("input", { type: "checkbox", change: () => { turn(group.members, group.box.checked); } });
    group.box.checked = true;
    group.label = make("label", {}, group.box, ` ${group.name} (${plural(group.members.length, "gate")})`);
    group.singles = make("fieldset", { class: "qd-try-singles" }, make("legend", {}, where), ...group.members.map((number) => {
      const wires = data.gates[number][1];
      const name = group.name === "CNOT" ? `${wires[0]}→${wires[1]}` : wires.join("–");
      const box = make("input", {
        type: "checkbox", "aria-label": `${where}, qubit ${wires.join(" and ")}`, change: () => { turn([number], box.checked); },
      });
      box.checked = true;
      single.set(number, box);
      return make("label", {}, box, ` ${name}`);
    }));
  }
  function turn(members, on) {
    for (const number of members) {
      if (on) state.off.delete(number); else state.off.add(number);
    }
    show();
  }
  const layers = [...new Set(groups.map((group) => group.layer))];
  const kinds = layers.map((layer) => {
    const mine = groups.filter((group) => group.layer === layer);
    return make("fieldset", {}, make("legend", {}, `Layer ${layer + 1}`), ...mine.map((group) => group.label));
  });
  const allOn = make("button", { type: "button", click: () => { state.off.clear(); show(); } }, "All gates on");
  const back = make("button", { type: "button", click: () => { state.text = Number(textBox.value); newText(); } }, "Angles of the text");

  // --- the terms ---
  const formulae = make("ol", { start: 0, class: "qd-try-formulae" });

  function newTask() { state.text = 0; newText(); }

  function newText() {
    const texts = student().texts;
    options(textBox, texts.map((one) => one.text), state.text);
    state.inputs = [...texts[state.text].angles];
    state.inputs.forEach((angle, qubit) => { sliders[qubit].value = angle; });
    show();
  }

  function show() {
    const now = student();
    const full = expectations(data, now, state.inputs);
    const circuit = state.off.size ? expectations(data, now, state.inputs, state.off) : full;
    const terms = shortened(now, state.inputs, state.terms);
    const [byCircuit, byTerms] = [circuit, terms].map((z) => probabilities(now, z));
    heading.textContent = classHeading.textContent = plural(state.terms, "term");
    qubits.forEach((qubit) => {
      sliders[qubit].setAttribute("aria-valuetext", `${state.inputs[qubit].toFixed(2)} rad`);
      cells[qubit].angle.textContent = state.inputs[qubit].toFixed(2);
      cells[qubit].circuit.textContent = signed(circuit[qubit]);
      cells[qubit].terms.textContent = signed(terms[qubit]);
      [circuit, terms].forEach((z, i) => {
        bars[qubit][i].style.left = `${50 + 50 * Math.min(z[qubit], 0)}%`;
        bars[qubit][i].style.width = `${50 * Math.abs(z[qubit])}%`;
      });
    });
    classRows.replaceChildren(...now.classes.map((name, c) => make("tr", {}, make("th", { scope: "row" }, name),
      make("td", {}, percent(byCircuit[c])), make("td", {}, percent(byTerms[c])))));
    formulae.replaceChildren(...now.terms.map((all, qubit) => make("li", {}, formula(qubit, all, now.counts[qubit]))));
    for (const group of groups) {
      const on = group.members.filter((number) => !state.off.has(number)).length;
      group.box.checked = on > 0;
      group.box.indeterminate = on > 0 && on < group.members.length;
    }
    single.forEach((box, number) => { box.checked = !state.off.has(number); });
    const text = now.texts[state.text];
    written.textContent = text ? `“${text.text}” was written for the class ${now.classes[text.label]}.`
      : "Angles of your own; no text belongs to them.";
    say(now, full, circuit, terms, byCircuit, byTerms);
  }

  function formula(qubit, all, count) {
    const parts = all.slice(0, state.terms).map(([coefficient, word], i) => {
      const factors = [...word].flatMap((digit, input) => digit === "0" ? [] : [`${digit === "1" ? "cos" : "sin"} z${input}`]);
      const sign = coefficient < 0 ? "−" : i ? "+" : "";
      return `${sign} ${[Math.abs(coefficient).toFixed(4), ...factors].join(" · ")}`;
    });
    const more = count > parts.length ? ` + … (${count.toLocaleString("en")} terms in all)` : "";
    return `⟨Z${qubit}⟩ = ${parts.join(" ")}${more}`;
  }

  let waiting = 0;
  /** The result as a sentence, a moment after the last change: a moving slider would be read out at every step. */
  function say(now, full, circuit, terms, byCircuit, byTerms) {
    const [one, two] = [largest(byCircuit), largest(byTerms)];
    const far = (a, b) => Math.max(...a.map((value, i) => Math.abs(value - b[i])));
    const apart = qubits.map((qubit) => Math.abs(circuit[qubit] - terms[qubit]));
    let text = `The circuit says ${now.classes[one]} (${percent(byCircuit[one])}), ${plural(state.terms, "term")} an output `
      + `${one === two ? "the same" : now.classes[two]} (${percent(byTerms[two])}). They are furthest apart on qubit `
      + `${largest(apart)}, by ${apart[largest(apart)].toFixed(3)}.`;
    if (state.off.size) {
      text += ` ${plural(state.off.size, "gate")} off: some ⟨Z⟩ moved by up to ${far(full, circuit).toFixed(3)}; `
        + "the terms are those of the whole circuit.";
    }
    window.clearTimeout(waiting);
    waiting = window.setTimeout(() => { said.textContent = text; }, 300);
  }

  root.replaceChildren(
    make("div", { class: "qd-try-choices" }, field("Task", taskBox), field("Generated text", textBox), field("Terms an output", termsBox)),
    written, said,
    make("div", { class: "qd-try-results" }, angles, make("div", {}, classes, back)),
    make("h2", {}, "Take gates away"),
    make("div", { class: "qd-try-kinds" }, ...kinds, allOn),
    make("details", {}, make("summary", {}, "One gate at a time"), ...groups.map((group) => group.singles)),
    make("details", {}, make("summary", {}, "The terms as formulae"), formulae));
  newTask();
})();
