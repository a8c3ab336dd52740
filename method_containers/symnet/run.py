"""SYMNet, the published network, on the CPU or a GPU."""

import torch
from network import read_weights

import lumirage_kit

job = lumirage_kit.read_job()
torch.set_num_threads(job.threads)
device = torch.device("cuda" if job.device == "gpu" else "cpu")
network = read_weights(lumirage_kit.weights(job.parameters["weights"])).to(device)
for pair in job:
    fixed, moving = (torch.from_numpy(lumirage_kit.unit_range(image))[None, None].to(device) for image in pair.load())
    with torch.inference_mode():
        field = network(moving, fixed)
    pair.write(field[0].cpu().numpy())
