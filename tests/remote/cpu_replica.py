"""NDIF's model replica without CUDA: its own plug-in point takes this class by dotted path.

Loaded by the server's processes, never by volvelle. The stock replica asks torch.cuda for memory
and parks idle models; on a machine without a GPU a model is loaded once and evicted.
"""

from __future__ import annotations

import gc

import ray
from ndif.services.ray.deployments.modeling.base import BaseModelDeployment, HuggingFaceModel


class CpuReplica(BaseModelDeployment):
    """One model on the CPU."""

    CACHEABLE = False  # evicted, never parked

    def load_from_disk(self):
        model = HuggingFaceModel.from_model_key(
            self.model_key, dispatch=True, device="cpu", dtype=self.dtype_name, **self.kwargs
        )
        model._module.requires_grad_(False)
        return model

    async def to_cache(self):
        self.cached = True

    def from_cache(self, gpu_mem_bytes_by_id):
        self.cached = False

    def cleanup(self):
        """Do what the base class does between jobs, minus torch.cuda."""
        self.kill_switch.clear()
        self.kill_reason = self.execution_ident = None
        self.model.interleaver.cancel()
        gc.collect()


CpuModelActor = ray.remote(num_cpus=0, max_restarts=-1)(CpuReplica)
