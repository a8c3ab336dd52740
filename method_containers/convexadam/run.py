"""ConvexAdam: coupled convex optimization on MIND features, then Adam."""

import torch
from convexAdam.convex_adam_MIND import convex_adam_pt

import lumirage_kit

job = lumirage_kit.read_job()
torch.set_num_threads(job.threads)
gpu = job.device == "gpu"
for pair in job:
    torch.manual_seed(job.seed)
    fixed, moving = pair.load()
    field = convex_adam_pt(
        torch.from_numpy(fixed),
        torch.from_numpy(moving),
        **job.parameters,
        dtype=torch.float16 if gpu else torch.float32,
        device=torch.device("cuda" if gpu else "cpu"),
    )
    pair.write(field)
