"""Models whose parameters are spread over processes: refused, because an attack would see only shards."""

from torch import nn

from adv.core.settings import AttackError


def refuse_sharded(model: nn.Module) -> None:
    """Refuse FSDP (both kinds), tensor parallelism and ZeRO-3.

    Raises:
        AttackError: The model is sharded; the message says by what, and what works instead.
    """
    how = sharding(model)
    if how:
        raise AttackError(
            f"the model is sharded by {how}: norms and gradients would be those of one shard, and weights would be "
            "restored into views that are gathered again. Use DDP or one device, or LoRA if memory is short"
        )


def sharding(model: nn.Module) -> str | None:
    """The name of what shards the model, or None."""
    modules = list(model.modules())  # a model is walked through at every step
    kinds = {type(module).__name__ for module in modules}
    for kind, name in (("FullyShardedDataParallel", "FSDP"), ("DeepSpeedEngine", "DeepSpeed")):
        if kind in kinds:
            return name
    if any(isinstance(module, nn.DataParallel) and len(module.device_ids) > 1 for module in modules):
        return "nn.DataParallel over several devices"
    weights = list(model.parameters())
    if len({p.device for p in weights}) > 1:
        return "placement on several devices"
    for p in weights:
        if hasattr(p, "placements"):
            return "FSDP2 or tensor parallelism (DTensor)"
        if hasattr(p, "ds_id"):
            return "DeepSpeed ZeRO-3"
    return None
