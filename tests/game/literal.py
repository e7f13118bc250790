"""Reference implementation of the 2017 game in NumPy: example by example, exchange by exchange, bit by bit.

It imports nothing from the package. Derivatives are computed by complex steps: a weight gets a tiny imaginary part,
and the imaginary part of the result divided by it is the derivative, exact to rounding because nothing is subtracted.
`detach` stops the gradient by dropping the imaginary part. To compute all derivatives at once, weights may have a
leading axis with one row per perturbed entry, so every function works on the last axes only.
"""

import string
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Weights = dict[str, dict[str, Array]]
"""Parameters by network and name."""

TINY = 1e-8
STEP = 1e-40
NETWORKS = ("sender", "receiver", "sender_baseline", "receiver_baseline")
STOP_CROSSES = True
"""Whether the gradient of the stop bit's REINFORCE loss crosses continuous messages, or that of the NLL alone.

The 2017 code does not answer this: there no gradient crosses. The messages decide when to stop, so the gradient of
the expected reward includes them (Schulman et al. 2015).
"""


class Example(NamedTuple):
    """One image and the candidates."""

    image: Array
    """``[C]``, or cells ``[L, C]``."""
    context: Array | None
    """``[Z]`` with visual attention."""
    descriptions: Array
    """``[D, E]``."""
    words: list[Array] | None = None
    """``[W_k, E]`` for each description k; with description attention."""


class Turn(NamedTuple):
    """One exchange."""

    view: Array
    sender_output: Array
    sender_message: Array
    state_before: Array
    state: Array
    go_on_prob: Array
    scores: Array
    receiver_output: Array
    receiver_message: Array


class Record(NamedTuple):
    """One dialogue, all T exchanges, including those after its stop; ``[T, ...]``."""

    sender_bits: Array
    """The message as received: after flips, corruption and zeroing. Real numbers if messages are continuous."""
    sender_decided: Array
    """The message before any of these."""
    sender_probs: Array
    receiver_bits: Array
    receiver_decided: Array
    receiver_probs: Array
    go_on: Array
    go_on_probs: Array
    active: Array
    """1 if the dialogue is still active when exchange t begins."""
    scores: Array
    views: Array
    states: Array
    """``[T, H]``: after each exchange's update."""

    @property
    def length(self) -> int:
        """Number of exchanges."""
        return int(self.active.sum())

    @property
    def prediction(self) -> int:
        """The candidate with the best score at the stop."""
        return int(self.scores[self.length - 1].argmax())


def detach(value: Array) -> Array:
    """Stop the gradient."""
    return np.real(value)


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def relu(x: Array) -> Array:
    return np.where(np.real(x) > 0, x, 0)


def softmax(x: Array) -> Array:
    powers = np.exp(x - np.real(x).max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def join(*parts: Array) -> Array:
    """Concatenate vectors, of which some may have the leading axis of perturbed entries."""
    lead = max((part.shape[:-1] for part in parts), key=len)
    whole = [part if part.shape[:-1] == lead else np.broadcast_to(part, (*lead, part.shape[-1])) for part in parts]
    return np.concatenate(whole, -1)


def linear(network: dict[str, Array], name: str, x: Array) -> Array:
    """Return W·x + b, or W·x if there is no b."""
    return np.matvec(network[f"{name}.weight"], x) + network.get(f"{name}.bias", 0.0)


def attend(network: dict[str, Array], name: str, items: Array, queries: list[Array]) -> Array:
    """Return the sum of the items, each by its weight: softmax of v·tanh(W_i·item + Σ W_q·query)."""
    query = sum(linear(network, f"{name}.queries.{i}", query) for i, query in enumerate(queries))
    energies = [
        linear(network, f"{name}.energy", np.tanh(linear(network, f"{name}.item", item) + query)) for item in items
    ]
    return weighted_sum(softmax(join(*energies)), list(items))


def weighted_sum(shares: Array, items: list[Array]) -> Array:
    total: Array = sum(shares[..., i, None] * item for i, item in enumerate(items))
    return total


# The text.


def words_of(text: str, stop_words: set[str]) -> set[str]:
    """Return the words of a description without apostrophes: in lower case, each once, no stop words or punctuation."""
    tokens = text.lower()
    for mark in string.punctuation.replace("-", ""):
        tokens = tokens.replace(mark, " ")
    return {token for token in tokens.split() if token not in stop_words and token not in string.punctuation}


# The Sender.


def attends(options: Any) -> bool:
    return options.preset in ("FixedAttention", "AdaptiveAttention")


def adaptive(options: Any) -> bool:
    return options.preset in ("Adaptive", "AdaptiveAttention")


def look(options: Any, sender: dict[str, Array], example: Example, incoming: Array, t: int) -> Array:
    """Return h_x of the image, or of its cells weighted by attention given the received message and any context."""
    if not attends(options):
        return linear(sender, "eye.project", example.image)
    if t == 0:
        return linear(sender, "eye.project", example.image.mean(0))
    queries = [incoming, np.asarray(example.context)] if options.attention_context else [incoming]
    return linear(sender, "eye.project", attend(sender, "eye.attention", example.image, queries))


def speak(options: Any, sender: dict[str, Array], view: Array, incoming: Array, t: int) -> Array:
    """Return the logits of the Sender's message."""
    if t == 0:
        incoming = sigmoid(sender["code_bias"])
    elif options.ignore_code and options.mix == "mou":
        incoming = sigmoid(sender["deaf_code"])
    heard = linear(sender, "hear", incoming)
    if options.mix == "mou":
        mixed = join(view, heard, view - heard, view * heard)
    elif options.ignore_code:
        mixed = view
    else:
        mixed = view + heard if options.mix == "sum" else view * heard
    return linear(sender, "speak", np.tanh(mixed))


# The Receiver.


def listen(receiver: dict[str, Array], message: Array, state: Array) -> Array:
    """Return the next state of the GRU."""
    told = np.matvec(receiver["listen.weight_ih_l0"], message) + receiver["listen.bias_ih_l0"]
    kept = np.matvec(receiver["listen.weight_hh_l0"], state) + receiver["listen.bias_hh_l0"]
    told_reset, told_keep, told_new = np.split(told, 3, -1)
    kept_reset, kept_keep, kept_new = np.split(kept, 3, -1)
    new = np.tanh(told_new + sigmoid(told_reset + kept_reset) * kept_new)
    keep = sigmoid(told_keep + kept_keep)
    return (1 - keep) * new + keep * state


def read(options: Any, receiver: dict[str, Array], example: Example, state: Array) -> list[Array]:
    """Return each description, with attention to its words given the state."""
    if not options.description_attention:
        return list(example.descriptions)
    return [attend(receiver, "attention", words, [state]) for words in example.words or []]


def score(receiver: dict[str, Array], state: Array, description: Array) -> Array:
    """Return the score ``[..., 1]`` of one description."""
    return linear(receiver, "score_last", relu(linear(receiver, "score_first", join(state, description))))


def ask(receiver: dict[str, Array], state: Array, scores: Array, descriptions: list[Array]) -> Array:
    """Return the logits of the Receiver's message."""
    expected = weighted_sum(detach(softmax(scores)), descriptions)
    return linear(
        receiver, "ask", np.tanh(linear(receiver, "ask_state", state) + linear(receiver, "ask_reading", expected))
    )


# The dialogue.


def converse(
    options: Any, weights: Weights, example: Example, decide: Callable[[str, int, Array], Array]
) -> list[Turn]:
    """Make all T exchanges; `decide` turns an agent's logits in exchange t into the message received."""
    sender, receiver = weights["sender"], weights["receiver"]
    incoming = np.zeros(options.message_bits)  # Never used: in the first exchange the Sender uses the code bias.
    state = np.zeros(receiver["listen.weight_hh_l0"].shape[-1])
    turns = []
    for t in range(options.max_exchanges):
        view = look(options, sender, example, incoming, t)
        sender_output = speak(options, sender, view, incoming, t)
        sender_message = decide("sender", t, sender_output)
        before, state = state, listen(receiver, sender_message, state)
        descriptions = read(options, receiver, example, state)
        scores = join(*(score(receiver, state, description) for description in descriptions))
        receiver_output = ask(receiver, state, scores, descriptions)
        incoming = decide("receiver", t, receiver_output)
        go_on_prob = sigmoid(linear(receiver, "stop", state))[..., 0]
        turns.append(
            Turn(view, sender_output, sender_message, before, state, go_on_prob, scores, receiver_output, incoming)
        )
    return turns


def play(
    options: Any,
    weights: Weights,
    example: Example,
    uniforms: Array | None = None,
    flips: Array | None = None,
) -> Record:
    """Play one dialogue.

    Parameters
    ----------
    options, weights, example
        The game, its agents, and the image with the candidates.
    uniforms
        ``[T, 2d + 1]``: the Sender's bits, the Receiver's, the stop bit; None in evaluation.
    flips
        ``[T, 2d]``: a bit is flipped where its number is below the agent's flip probability.
    """
    bits = options.message_bits
    decided: dict[str, list[Array]] = {"sender": [], "receiver": []}

    def decide(speaker: str, t: int, output: Array) -> Array:
        own = slice(0, bits) if speaker == "sender" else slice(bits, 2 * bits)
        decided[speaker].append(first_decision(options, output, None if uniforms is None else uniforms[t, own]))
        flipping = None if flips is None else flips[t, own]
        return as_sent(options, speaker, decided[speaker][-1], flipping, uniforms is None)

    turns = converse(options, weights, example, decide)
    go_on_probs = [turn.go_on_prob for turn in turns]
    go_on = stops(options, go_on_probs, None if uniforms is None else uniforms[:, -1])
    active = [1.0]
    for going in go_on[:-1]:
        active.append(active[-1] * going if adaptive(options) else 1.0)
    return Record(
        np.array([turn.sender_message for turn in turns]),
        np.array(decided["sender"]),
        np.array([sigmoid(turn.sender_output) for turn in turns]),
        np.array([turn.receiver_message for turn in turns]),
        np.array(decided["receiver"]),
        np.array([sigmoid(turn.receiver_output) for turn in turns]),
        np.array(go_on),
        np.array(go_on_probs),
        np.array(active),
        np.array([turn.scores for turn in turns]),
        np.array([turn.view for turn in turns]),
        np.array([turn.state for turn in turns]),
    )


def continuous(options: Any) -> bool:
    return options.channel in ("continuous", "continuous_original")


def first_decision(options: Any, output: Array, drawn: Array | None) -> Array:
    """Sample or round each bit; a continuous message is the output itself."""
    if continuous(options):
        return output
    probs = sigmoid(output)
    if drawn is None:
        return np.array([1.0 if p > 0.5 else 0.0 for p in probs])
    return np.array([1.0 if number < p else 0.0 for number, p in zip(drawn, probs, strict=True)])


def as_sent(options: Any, speaker: str, bits: Array, flipping: Array | None, evaluation: bool) -> Array:
    """Perturb a message as the options say: flip bits at random, replace it by zeros, flip chosen bits.

    Continuous messages are not flipped at random: the 2017 code flips bits only.
    """
    bits = bits.copy()
    chance = options.flip_sender if speaker == "sender" else options.flip_receiver
    if chance and flipping is not None and not continuous(options) and (options.flip_in_evaluation or not evaluation):
        for i, number in enumerate(flipping):
            bits[i] = 1 - bits[i] if number < chance else bits[i]
    bits = silenced(options, speaker, bits)
    if evaluation and speaker == "sender":
        for i in corrupted(options.corrupt_bits, len(bits)):
            bits[i] = 1 - bits[i]
    return bits


def silenced(options: Any, speaker: str, message: Array) -> Array:
    """Return zeros if the agent is ignored."""
    ignored = options.ignore_sender if speaker == "sender" else options.ignore_receiver
    return message * 0 if ignored else message


def corrupted(region: str, count: int) -> list[int]:
    """Return the bit indices of a region such as ``0:3,5``."""
    places: list[int] = []
    for piece in filter(None, region.split(",")):
        start, _, end = piece.partition(":")
        places += range(count)[int(start) : int(end) if end else int(start) + 1]
    return places


def stops(options: Any, probs: list[Array], drawn: Array | None) -> list[float]:
    """Return the decisions to go on: sampled, or rounded from this exchange's probability or the running product."""
    if drawn is not None:
        return [1.0 if number < p else 0.0 for number, p in zip(drawn, probs, strict=True)]
    decisions, product = [], 1.0
    for p in probs:
        product = float(product * p) if options.stop_rule == "product" else float(p)
        decisions.append(1.0 if product > 0.5 else 0.0)
    return decisions


def replay(options: Any, weights: Weights, example: Example, record: Record, crossing: bool) -> list[Turn]:
    """Replay a dialogue with the recorded messages or, if `crossing`, with gradient through the messages."""
    sent = {"sender": record.sender_bits, "receiver": record.receiver_bits}

    def decide(speaker: str, t: int, output: Array) -> Array:
        return silenced(options, speaker, output) if crossing else sent[speaker][t]

    return converse(options, weights, example, decide)


# Losses.


def accuracy_at(k: int, records: list[Record], targets: list[int]) -> float:
    """Return the share of examples whose target is among the k candidates with the best scores at the stop.

    Among candidates with the same score, the target comes last; in the 2017 code, their order is arbitrary.
    """
    right = 0
    for record, target in zip(records, targets, strict=True):
        scores = record.scores[record.length - 1]
        ranked = sorted(range(len(scores)), key=lambda candidate: (-scores[candidate], candidate == target))
        right += target in ranked[:k]
    return right / len(records)


class Credit(NamedTuple):
    """Decisions of one kind over a batch, input of REINFORCE; lists over examples, then exchanges."""

    probs: list[list[Array]]
    """Probability that each bit is 1."""
    bits: list[Array]
    gains: list[list[Array]]
    on: list[Array]
    """1 where the decision counts."""


def losses(
    options: Any, training: Any, weights: Weights, examples: list[Example], records: list[Record], targets: list[int]
) -> dict[str, Any]:
    """Return the losses of a batch with fixed decisions, their sum ``total``, and their terms."""
    crossing = options.channel == "continuous"
    pairs = list(zip(examples, records, strict=True))
    told = [replay(options, weights, example, record, crossing) for example, record in pairs]
    log_likelihood = [
        log_prob_of(turns[record.length - 1].scores, target)
        for turns, record, target in zip(told, records, targets, strict=True)
    ]
    reward = [
        reward_of(options, turns[record.length - 1].scores, record, target)
        for turns, record, target in zip(told, records, targets, strict=True)
    ]
    expected = {
        speaker: [baseline_of(options, weights, speaker, turns) for turns in told] for speaker in ("sender", "receiver")
    }
    apart = told
    if crossing and not STOP_CROSSES:
        apart = [replay(options, weights, example, record, False) for example, record in pairs]
    trials = {
        name: credit(name, apart, records, reward, expected["sender" if name == "sender" else "receiver"])
        for name in ("sender", "receiver", "stop")
    }
    terms = learned_by_trial(options, training, trials)
    terms["nll"] = -mean(log_likelihood)
    squares = {
        speaker: baseline_loss(options, reward, expected[speaker], [record.active for record in records])
        for speaker in ("sender", "receiver")
    }
    found = joined(options, terms, squares)
    return {**found, "terms": terms, "reward": np.array(reward), "log_likelihood": np.array(log_likelihood)}


def joined(options: Any, terms: dict[str, Array], squares: dict[str, Array]) -> dict[str, Array]:
    """Sum the terms of each network's loss.

    With continuous messages REINFORCE trains only the stop bit; in the original it does not train that either, and the
    baselines are not trained.
    """
    sender = terms["sender_reinforce"] + terms["sender_entropy"]
    asking = terms["receiver_reinforce"] + terms["receiver_entropy"]
    stopping = terms["stop_reinforce"] + terms["stop_entropy"] if adaptive(options) else np.float64(0)
    sender_baseline, receiver_baseline = squares["sender"], squares["receiver"]
    if continuous(options):
        sender = asking = np.float64(0)
    if options.channel == "continuous_original":
        stopping = sender_baseline = receiver_baseline = np.float64(0)
    receiver = terms["nll"] + asking + stopping
    found = dict(zip(NETWORKS, (sender, receiver, sender_baseline, receiver_baseline), strict=True))
    return {**found, "total": sum(found.values())}


def mean(values: list[Array]) -> Array:
    total: Array = sum(values) / len(values)
    return total


def log_prob_of(scores: Array, target: int) -> Array:
    """Return the target's log-probability."""
    top = np.real(scores).max(-1)
    return scores[..., target] - top - np.log(np.exp(scores - top[..., None]).sum(-1))


def reward_of(options: Any, scores: Array, record: Record, target: int) -> Array:
    """Return the reward: log p(target), or 1 if right, minus the cost of the exchanges."""
    if options.reward == "original":
        earned = detach(log_prob_of(scores, target))
    else:
        earned = (np.real(scores).argmax(-1) == target).astype(float)
    return earned - options.exchange_cost * record.length


def baseline_of(options: Any, weights: Weights, speaker: str, turns: list[Turn]) -> list[Array]:
    """Return the prediction of an agent's baseline in each exchange."""
    network, expected = weights[f"{speaker}_baseline"], []
    incoming = np.full(options.message_bits, options.first_message)
    for turn in turns:
        if speaker == "sender":
            known = join(turn.view, incoming)
        else:
            known = join(
                turn.sender_message, turn.state if options.receiver_baseline == "original" else turn.state_before
            )
        expected.append(linear(network, "last", relu(linear(network, "first", detach(known))))[..., 0])
        incoming = turn.receiver_message
    return expected


def credit(
    name: str, told: list[list[Turn]], records: list[Record], reward: list[Array], expected: list[list[Array]]
) -> Credit:
    """Collect the decisions of one kind with their advantages."""
    probs, bits, on = [], [], []
    for turns, record in zip(told, records, strict=True):
        if name == "stop":
            probs.append([turn.go_on_prob[..., None] for turn in turns])
        else:
            probs.append([sigmoid(getattr(turn, f"{name}_output")) for turn in turns])
        bits.append(scored_bits(name, record))
        on.append(heard(record) if name == "receiver" else record.active)
    gains = [[detach(r - e) for e in steps] for r, steps in zip(reward, expected, strict=True)]
    return Credit(probs, bits, gains, on)


def scored_bits(name: str, record: Record) -> Array:
    """Return the bits that are scored: those received, after perturbations."""
    return {"sender": record.sender_bits, "receiver": record.receiver_bits, "stop": record.go_on[:, None]}[name]


def heard(record: Record) -> Array:
    """Return 1 where the Sender replies to the Receiver's message: the dialogue is active in the next exchange."""
    return np.append(record.active[1:], 0.0)


def learned_by_trial(options: Any, training: Any, trials: dict[str, Credit]) -> dict[str, Array]:
    """Return the REINFORCE and entropy terms of each kind of decision."""
    terms = {}
    for name, given in trials.items():
        said, negative_entropy = policy_terms(options, given)
        terms[f"{name}_reinforce"] = said
        terms[f"{name}_entropy"] = getattr(training, f"{name}_entropy") * negative_entropy
    return terms


def policy_terms(options: Any, given: Credit) -> tuple[Array, Array]:
    """Return mean −advantage·Σ log p(bit) and mean Σ p log p, weighted over exchanges by active examples."""
    parts = []
    for t in range(options.max_exchanges):
        rows = [b for b in range(len(given.on)) if given.on[b][t]]
        if not rows:
            continue
        gains = [given.gains[b][t] for b in rows]
        said = [log_said(given.probs[b][t], given.bits[b][t]) for b in rows]
        entropies = [negative_entropy(given.probs[b][t]) for b in rows]
        parts.append((len(rows), reinforce(scaled(gains), said), mean(entropies)))
    counts = [count if adaptive(options) else 1 for count, _, _ in parts]
    return over_steps(counts, [said for _, said, _ in parts]), over_steps(counts, [entropy for *_, entropy in parts])


def over_steps(counts: list[int], values: list[Array]) -> Array:
    if not counts:
        return np.float64(0)
    total: Array = sum(count * value for count, value in zip(counts, values, strict=True)) / sum(counts)
    return total


def reinforce(advantages: list[Array], said: list[Array]) -> Array:
    return mean([-advantage * log for advantage, log in zip(advantages, said, strict=True)])


def scaled(gains: list[Array]) -> list[Array]:
    """Divide advantages by their standard deviation where it exceeds 1; a single one is not divided."""
    if len(gains) == 1:
        return gains
    return [gain / np.maximum(1.0, deviation(gains)) for gain in gains]


def deviation(values: list[Array]) -> Array:
    middle = mean(values)
    return np.sqrt(sum((value - middle) ** 2 for value in values) / (len(values) - 1))


def log_said(probs: Array, bits: Array) -> Array:
    """Return Σ log p(bit), one number."""
    total: Any = 0.0
    for i, bit in enumerate(bits):
        total = total + bit * np.log(probs[..., i] + TINY) + (1 - bit) * np.log(1 - probs[..., i] + TINY)
    return np.asarray(total)


def negative_entropy(probs: Array) -> Array:
    """Return Σ p log p + (1 − p) log(1 − p), one number."""
    total: Any = 0.0
    for i in range(probs.shape[-1]):
        p = probs[..., i]
        total = total + p * np.log(p + TINY) + (1 - p) * np.log(1 - p + TINY)
    return np.asarray(total)


def baseline_loss(options: Any, reward: list[Array], expected: list[list[Array]], active: list[Array]) -> Array:
    """Return the squared error of a baseline, weighted over exchanges as the policy terms are."""
    counts, errors = [], []
    for t in range(options.max_exchanges):
        rows = [b for b in range(len(active)) if active[b][t]]
        if rows:
            errors.append(mean([(detach(reward[b]) - expected[b][t]) ** 2 for b in rows]))
            counts.append(len(rows) if adaptive(options) else 1)
    return over_steps(counts, errors)


# Derivatives.


def gradients(name: str, options: Any, training: Any, weights: Weights, *batch: Any) -> Weights:
    """Return the derivative of a loss with respect to every entry of every parameter.

    Parameters
    ----------
    name
        Name of the loss, a key of the result of `losses`.
    options, training, weights, *batch
        Arguments of `losses`.
    """
    slopes = np.imag(losses(options, training, nudged(weights), *batch)[name]) / STEP
    found: Weights = {network: {} for network in weights}
    start = 0
    for network, key, value in entries(weights):
        found[network][key] = slopes[start : start + value.size].reshape(value.shape)
        start += value.size
    return found


def nudged(weights: Weights) -> Weights:
    """Return weights with a leading axis: in row n, the n-th entry has an imaginary part `STEP`."""
    moved: Weights = {network: {} for network in weights}
    start = 0
    for network, key, value in entries(weights):
        rows = np.zeros((size_of(weights), value.size), complex)
        rows[start + np.arange(value.size), np.arange(value.size)] = 1j * STEP
        moved[network][key] = rows.reshape(-1, *value.shape) + value
        start += value.size
    return moved


def entries(weights: Weights) -> list[tuple[str, str, Array]]:
    return [(network, key, value) for network, own in weights.items() for key, value in own.items()]


def size_of(weights: Weights) -> int:
    return sum(value.size for *_, value in entries(weights))


def parameter_shapes(options: Any, sizes: Any) -> dict[str, dict[str, tuple[int, ...]]]:
    """Return the shape of every parameter, by network and name.

    Parameters
    ----------
    options
        The game.
    sizes
        ``channels`` C, ``context`` Z, ``word_size`` E and the hidden widths, named as the options name them.
    """
    bits, seen = options.message_bits, sizes.sender_hidden
    hidden, look = sizes.receiver_hidden, sizes.sender_attention_hidden
    widths = 4 if options.mix == "mou" else 1
    sender = {"code_bias": (bits,)}
    if options.ignore_code and options.mix == "mou":
        sender["deaf_code"] = (bits,)
    sender |= _linear("eye.project", sizes.channels, seen)
    if attends(options):
        sender |= _attention(
            "eye.attention", sizes.channels, [bits, sizes.context] if options.attention_context else [bits], look
        )
    sender |= _linear("hear", bits, seen) | _linear("speak", widths * seen, bits)
    receiver = {"listen.weight_ih_l0": (3 * hidden, bits), "listen.weight_hh_l0": (3 * hidden, hidden)}
    receiver |= {"listen.bias_ih_l0": (3 * hidden,), "listen.bias_hh_l0": (3 * hidden,)}
    receiver |= _linear("stop", hidden, 1) | _linear("score_first", hidden + sizes.word_size, hidden)
    receiver |= _linear("score_last", hidden, 1) | _linear("ask_state", hidden, hidden)
    receiver |= {"ask_reading.weight": (hidden, sizes.word_size)} | _linear("ask", hidden, bits)
    if options.description_attention:
        receiver |= _attention("attention", sizes.word_size, [hidden], sizes.receiver_attention_hidden)
    return {
        "sender": sender,
        "receiver": receiver,
        "sender_baseline": _baseline(seen + bits, sizes.baseline_hidden),
        "receiver_baseline": _baseline(bits + hidden, sizes.baseline_hidden),
    }


def initial_baseline(uniforms: list[float], shapes: dict[str, tuple[int, ...]]) -> dict[str, Array]:
    """Return the weights with which the 2017 code's baselines start: its agents reset theirs, its baselines do not.

    Parameters
    ----------
    uniforms
        Random numbers in [0, 1), one for each weight: layer by layer, of each its matrix, row by row, and its biases.
    shapes
        One network of `parameter_shapes`.
    """
    numbers = iter(uniforms)
    found = {}
    for name, shape in shapes.items():
        inputs = shapes[name.replace(".bias", ".weight")][1]
        drawn = [(2 * next(numbers) - 1) / np.sqrt(inputs) for _ in range(int(np.prod(shape)))]
        found[name] = np.array(drawn).reshape(shape)
    return found


def _linear(name: str, before: int, after: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (after, before), f"{name}.bias": (after,)}


def _attention(name: str, item: int, queries: list[int], hidden: int) -> dict[str, tuple[int, ...]]:
    shapes = _linear(f"{name}.item", item, hidden) | _linear(f"{name}.energy", hidden, 1)
    for i, size in enumerate(queries):
        shapes |= _linear(f"{name}.queries.{i}", size, hidden)
    return shapes


def _baseline(before: int, hidden: int) -> dict[str, tuple[int, ...]]:
    return _linear("first", before, hidden) | _linear("last", hidden, 1)
