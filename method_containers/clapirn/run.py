"""Conditional LapIRN, the published lite network, on the CPU or a GPU."""

import sys

import torch
from network import read_weights

import lumirage_kit

job = lumirage_kit.read_job()
reg = float(job.parameters["reg"])
if not 0 <= reg <= 1:
    sys.exit(f"reg is {reg}; the network knows weights of regularity from 0 (accurate) to 1 (smooth)")
torch.set_num_threads(job.threads)
device = torch.device("cuda" if job.device == "gpu" else "cpu")
network = read_weights(lumirage_kit.weights(job.parameters["weights"])).to(device)
for pair in job:
    fixed, moving = (torch.from_numpy(lumirage_kit.unit_range(image))[None, None].to(device) for image in pair.load())
    with torch.inference_mode():
        field = network(moving, fixed, reg)
    pair.write(field[0].cpu().numpy())
