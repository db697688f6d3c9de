"""Runs inside the pipeline's own environment: its estimates of the arrays in a file, as JSON.

python program.py ARRAYS.npz
"""

import json
import sys
import types

import numpy as np


class Absent(types.ModuleType):
    """Stands in for torch, which takes gigabytes: `obp` imports it for learners that nothing here
    calls, and whatever is asked of it is a class without contents."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return sys.modules.get(f"{self.__name__}.{name}") or type(name, (), {})


for name in ("torch", "torch.nn", "torch.nn.functional", "torch.optim", "torch.utils",
             "torch.utils.data"):  # fmt: skip
    sys.modules[name] = Absent(name)
    sys.modules[name].__path__ = []

from obp import ope  # noqa: E402


def main(file):
    arrays = dict(np.load(file))
    log = {
        "reward": arrays["reward"],
        "action": arrays["action"],
        "pscore": arrays["pscore"],
        "action_dist": arrays["action_dist"],
        "position": np.zeros(len(arrays["reward"]), dtype=int),
    }
    modelled = {"estimated_rewards_by_reg_model": arrays["q_hat"]}
    clip, threshold, shrinkage, strength = arrays["parameters"]
    found = {
        "ips": ope.InverseProbabilityWeighting().estimate_policy_value(**log),
        "clipped_ips": ope.InverseProbabilityWeighting(lambda_=clip).estimate_policy_value(**log),
        "snips": ope.SelfNormalizedInverseProbabilityWeighting().estimate_policy_value(**log),
        "sub_gaussian": ope.SubGaussianInverseProbabilityWeighting(
            lambda_=strength
        ).estimate_policy_value(**log),
    }
    for name, estimator in {
        "dm": ope.DirectMethod(),
        "dr": ope.DoublyRobust(),
        "sndr": ope.SelfNormalizedDoublyRobust(),
        "switch_dr": ope.SwitchDoublyRobust(lambda_=threshold),
        "dr_os": ope.DoublyRobustWithShrinkage(lambda_=shrinkage),
    }.items():
        found[name] = estimator.estimate_policy_value(**log, **modelled)
    stratum = np.zeros(len(arrays["reward"]), dtype=int)
    several = log | {"pscore_avg": arrays["pscore_avg"], "stratum_idx": stratum}
    for name, estimator, more in (
        ("balanced ips", ope.MultiLoggersBalancedInverseProbabilityWeighting(), {}),
        ("balanced dr", ope.MultiLoggersBalancedDoublyRobust(), modelled),
    ):
        found[name] = estimator.estimate_policy_value(**several, **more)
    even = {name: arrays[f"even_{name}"] for name in ("reward", "action", "action_dist")}
    even["position"] = np.zeros(len(even["reward"]), dtype=int)
    found["replay"] = ope.ReplayMethod().estimate_policy_value(**even)
    found |= _bounds(arrays, float(clip))
    print(json.dumps({name: float(value) for name, value in found.items()}))


def _bounds(arrays, clip):
    """What its tuning minimises, and its own bias bound."""
    rows = np.arange(len(arrays["reward"]))
    weights = arrays["action_dist"][rows, arrays["action"], 0] / arrays["pscore"]
    from obp.ope.helper import estimate_bias_in_ope

    bias = estimate_bias_in_ope(
        reward=arrays["reward"], iw=weights, iw_hat=np.minimum(weights, clip)
    )
    return {"estimated bias of clipped_ips": bias}


if __name__ == "__main__":
    main(sys.argv[1])
