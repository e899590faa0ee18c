"""What a method does to a model, seen from outside: every pass, and the model's state before and after."""

import dataclasses
from collections import ChainMap
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

from adv import METHODS
from adv.steps.accumulating import AccumulatingMethod
from adv.steps.embedding import EmbeddingMethod
from adv.steps.regularised import RegularisedMethod
from adv.steps.weights import WeightMethod
from helpers.outside_methods import OUTSIDE
from helpers.tiny_models import batch_for, build, grads_of

# What the contract holds for: the registered methods, and those of somebody else.
# A view, not a copy: a test may register one more.
KNOWN = ChainMap(METHODS, OUTSIDE)
# Settings that are lengths of a perturbation, or of what makes it: with all of them at zero nothing moves.
LENGTHS = ("epsilon", "alpha", "sigma", "init_mag", "xi", "rho", "adv_lr", "radius")


@dataclass
class Pass:
    """One forward pass: the weights it ran with, what was added to the embeddings, its loss, backwards through it."""

    weights: dict[str, Tensor]
    shift: Tensor | None = None
    loss: Tensor | None = None
    backwards: int = 0


@dataclass
class Watch:
    """All passes, and how often the gradient of each weight matrix was computed."""

    passes: list[Pass] = field(default_factory=list)
    weight_backwards: dict[str, int] = field(default_factory=dict)

    @property
    def shift(self):
        return self.passes[-1].shift

    @property
    def whole(self):
        """Passes that went through the whole model: YOPO's go through the first layer alone, too."""
        return [seen for seen in self.passes if seen.loss is not None]

    @property
    def losses(self):
        return [seen.loss for seen in self.whole]


@contextmanager
def watch(model):
    """Record each pass. The embeddings' output is read by a hook that is added in the pass: it comes after all others."""
    seen = Watch()
    embedding = model.get_input_embeddings()

    def begin(module, args, kwargs):
        seen.passes.append(Pass({name: p.detach().clone() for name, p in model.named_parameters()}))

        def read(module, args, output):
            reader.remove()
            shift = output.detach() - F.embedding(args[0], module.weight.detach())
            given = kwargs.get("input_ids")
            # XLNet looks its tokens up as (seq, batch).
            turned = given is not None and torch.equal(given.T, args[0]) and not torch.equal(given, args[0])
            seen.passes[-1].shift = shift.transpose(0, 1) if turned else shift

        reader = embedding.register_forward_hook(read)

    def end(module, args, kwargs, output):
        this = seen.passes[-1]
        this.loss = output["loss"].detach()

        def count(gradient):
            this.backwards += 1

        if output["logits"].requires_grad:
            output["logits"].register_hook(count)

    def counter(name):
        def count(gradient):
            seen.weight_backwards[name] = seen.weight_backwards.get(name, 0) + 1

        return count

    handles = [
        model.register_forward_pre_hook(begin, with_kwargs=True),
        model.register_forward_hook(end, with_kwargs=True),
    ]
    for name, p in model.named_parameters():
        if p.dim() > 1 and p is not embedding.weight and p.requires_grad:
            handles.append(p.register_hook(counter(name)))
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def shifts_of(module, embed=None):
    """The token ids of each call of an embedding, and what was added to its output: hooks run in the order of adding them.

    ``embed(module, ids)`` is its output without an addition; by default the look-up.
    """
    seen = []

    def begin(module, args):
        def end(module, args, output):
            handle.remove()
            plain = F.embedding(args[0], module.weight.detach()) if embed is None else embed(module, args[0])
            seen.append((args[0], output.detach() - plain))

        handle = module.register_forward_hook(end)

    outer = module.register_forward_pre_hook(begin)
    try:
        yield seen
    finally:
        outer.remove()


def state_of(model):
    """Everything of a model that a step must leave alone, in a form that ``==`` compares bit for bit."""
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    modules, parameters = list(model.named_modules()), list(model.named_parameters())
    tensors = [*parameters, *model.named_buffers()]
    return {
        "weights": {n: (p.detach().numpy().tobytes(), p.data_ptr(), p.requires_grad) for n, p in tensors},
        "hooks": {name: sum(len(getattr(m, h)) for h in hooks) for name, m in modules},
        "tensor hooks": {name: len(p._backward_hooks or ()) for name, p in parameters},
        "training": {name: m.training for name, m in modules},
    }


def named_tensors(model):
    """Parameters and buffers."""
    return [*model.named_parameters(), *model.named_buffers()]


def has(name, *settings):
    """Whether the method ``name`` has these settings."""
    return {field.name for field in dataclasses.fields(KNOWN[name])} >= set(settings)


def having(*settings):
    """The registered methods that have these settings."""
    return [name for name in METHODS if has(name, *settings)]


def kinds(*bases):
    """The registered methods that derive from one of these classes."""
    return [name for name, kind in METHODS.items() if issubclass(kind, bases)]


def one_of_each_kind():
    """Of the methods that take the same kind of step one, and no control where there is an attack.

    Methods of one kind share ``backward``, are repeated the same way and keep the same things from step to step.
    """
    found = {}
    for name in sorted(KNOWN, key=lambda name: (name in OUTSIDE, KNOWN[name].control)):
        kind = KNOWN[name]
        found.setdefault((kind.backward, kind.replays, kind.state_dict), name)
    return list(found.values())


def in_turn(families, names=KNOWN):
    """Pairs of family and method: on the first family every method, on the others those that look into its layers.

    The rest meets a family in the same two places, its embeddings and its weights: every other family has a fourth of
    them, neighbours in kind apart, so that each family meets weight attacks, and each method several families.
    """
    first, *others = families
    rest = [name for name in names if not has(name, "layer_name")]
    rest.sort(key=lambda name: KNOWN[name].backward.__qualname__)
    pairs = [(first, name) for name in names]
    for turn, family in enumerate(others):
        mine = rest[turn % 4 :: 4]
        pairs += [(family, name) for name in names if name in mine or name not in rest]
    return pairs


ATTACKS = [name for name in METHODS if name != "none"]
ASCENDING = kinds(EmbeddingMethod)
ACCUMULATING = kinds(AccumulatingMethod)
REGULARISED = kinds(RegularisedMethod)
ON_WEIGHTS = kinds(WeightMethod)
# What perturbs the embeddings' output.
ON_EMBEDDINGS = [*ASCENDING, *ACCUMULATING, *REGULARISED, "neftune"]
# Their first step is a clean one, or one without a perturbation.
UNMOVED = ["freeat", "gradient_penalty"]


def still(name):
    """Settings with which nothing moves."""
    return {setting: 0.0 for setting in LENGTHS if has(name, setting)}


def made(name, model, **settings):
    """The method; one that looks into layers is told where they are, if the model is none of transformers'."""
    if has(name, "layer_name") and hasattr(model, "slopes"):
        settings |= {"layer_name": "^dropout$"}
    return METHODS[name](**settings)


@cache
def clean_of(family):
    """``clean`` on a new model of this family."""
    with torch.random.fork_rng(devices=[]):
        model = build(family)
        return clean(model, batch_for(model))


@cache
def plain_step(name):
    """The gradients of a method's first step on BERT, and its objective."""
    with torch.random.fork_rng(devices=[]):
        model = build("bert")
        return gradients(METHODS[name](), model, batch_for(model))


def clean(model, batch, seed=3):
    """The gradients of a clean step, its loss, and where the generator stands after its forward pass."""
    model.zero_grad()
    torch.manual_seed(seed)
    loss = model(**batch).loss
    after = torch.get_rng_state()
    loss.backward()
    return grads_of(model), loss.detach(), after


def gradients(method, model, batch, seed=3, **options):
    """The gradients of a first step from none, and its objective, with the generator at ``seed``."""
    model.zero_grad()
    torch.manual_seed(seed)
    method.load_state_dict({})  # the random control counts its steps
    loss = method.backward(model, batch, **options)
    method.load_state_dict({})
    return grads_of(model), loss
