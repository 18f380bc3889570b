"""PyTorch, Lightning and Hugging Face, where they are installed: kills change no number.

``pip install torch lightning transformers accelerate`` brings gigabytes, so nobody is asked to.
"""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path

import pytest

from .kills import run_killed

pytestmark = pytest.mark.timeout(900)


def needs(*names: str) -> pytest.MarkDecorator:
    """Skip unless these are installed."""
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


START = (
    "import numpy as np, random, time, torch\nfrom torch import nn\n"
    "torch.manual_seed(1); torch.set_num_threads(1)\n"
    "x = torch.rand(256, 8); y = x.sum(1, keepdim=True)\n"
    "data = torch.utils.data.TensorDataset(x, y)\n"
    "net = nn.Sequential(nn.Linear(8, 16), nn.Dropout(0.2), nn.BatchNorm1d(16), nn.Linear(16, 1))"
)
LOOP = (
    "from jupyter_unattended import resumable\n"
    "optimizer = torch.optim.AdamW(net.parameters())\n"
    "scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 3)\nlosses = []\n"
    "loader = torch.utils.data.DataLoader(data, batch_size=32, shuffle=True)\n"
    "for epoch in resumable(range(10), state=[net, optimizer, scheduler, losses], every=1):\n"
    "    for inputs, targets in loader:\n"
    "        loss = (net(inputs) - targets).square().mean()\n"
    "        optimizer.zero_grad(); loss.backward(); optimizer.step()\n"
    "    scheduler.step(); losses.append(loss.item())\n"
    "    print('epoch', epoch, loss.item()); time.sleep(0.2)"
)
END = "print(losses, sum(p.sum().item() for p in net.parameters()), torch.rand(1))"


@needs("torch")
def test_a_loop(tmp_path: Path) -> None:
    job = run_killed(tmp_path, [START, LOOP, END], "epoch ")
    assert job.events("resumed")


@needs("torch")
def test_between_cells(tmp_path: Path) -> None:
    """An optimiser still changes the model it belongs to, and tensors share their storage."""
    cells = [
        START,
        "optimizer = torch.optim.Adam(net.parameters()); part = x[10:20]; same = net[0].weight\n"
        "def step():\n    loss = (net(x) - y).square().mean()\n"
        "    optimizer.zero_grad(); loss.backward(); optimizer.step()\n    return loss.item()\n"
        "print('cell', step())",
        "torch.set_default_dtype(torch.float64); torch.use_deterministic_algorithms(True)\n"
        "print('cell', step()); part.add_(1); time.sleep(0.5)",
        "print('cell', step(), same is net[0].weight, same.sum().item()); time.sleep(0.5)",
        "print(x[10:20].sum().item(), part.sum().item(), step(), torch.rand(2))\n"
        "print(torch.get_num_threads(), torch.are_deterministic_algorithms_enabled())",
    ]
    job = run_killed(tmp_path, cells, "cell ", after=1, checkpoint_interval=0)
    assert job.events("resumed")


@needs("torch")
def test_on_a_gpu(tmp_path: Path) -> None:
    """Models, optimisers, tensors that share a storage, and the GPU's own random states."""
    if not importlib.import_module("torch").cuda.is_available():
        pytest.skip("there is no GPU")
    to_gpu = (
        "net.cuda(); x, y = x.cuda(), y.cuda(); data = torch.utils.data.TensorDataset(x, y)\n"
        "part = x[10:20]; print('cell', part.device)"
    )
    change = "part.add_(torch.rand(1, device='cuda')); print('cell', x.sum().item())"
    end = "print(x[10:20].sum().item() == part.sum().item(), torch.rand(1, device=part.device))"
    cells = [START, to_gpu, change, LOOP, END, end]
    job = run_killed(tmp_path, cells, "epoch ", checkpoint_interval=0)
    resumed = job.events("resumed")
    assert any("loop" in line for line in resumed)
    assert any(line.get("first_cell") == 3 for line in resumed)


LIGHTNING = (
    "import lightning.pytorch as pl, logging, warnings\nwarnings.simplefilter('ignore')\n"
    "logging.getLogger('lightning.pytorch').setLevel(logging.ERROR)\n"
    "from jupyter_unattended import lightning_callback\nlosses = []\n"
    "class Model(pl.LightningModule):\n"
    "    def __init__(self):\n        super().__init__(); self.net = net\n"
    "    def training_step(self, batch, number):\n"
    "        loss = (self.net(batch[0]) - batch[1]).square().mean(); self.log('loss', loss)\n"
    "        return loss\n"
    "    def configure_optimizers(self): return torch.optim.AdamW(self.parameters())\n"
    "    def on_train_epoch_end(self):\n"
    "        print('epoch', self.current_epoch, self.trainer.callback_metrics['loss'].item())\n"
    "        time.sleep(0.3)\n"
    "unattended = lightning_callback(every=1)\n"
    "loader = torch.utils.data.DataLoader(data, batch_size=32, shuffle=True)\n"
    "trainer = pl.Trainer(max_epochs=8, accelerator='cpu', logger=False, callbacks=[unattended],\n"
    "    enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=True)\n"
    "trainer.fit(Model(), loader, ckpt_path=unattended.ckpt_path)"
)


@needs("torch", "lightning")
def test_lightning(tmp_path: Path) -> None:
    job = run_killed(tmp_path, [START, LIGHTNING, END], "epoch ")
    assert job.events("resumed")


TRANSFORMERS = (
    "import transformers, warnings\nwarnings.simplefilter('ignore')\n"
    "transformers.logging.set_verbosity_error()\n"
    "from jupyter_unattended import transformers_callback\nlosses = []\n"
    "class Model(nn.Module):\n"
    "    def __init__(self):\n        super().__init__(); self.net = net\n"
    "    def forward(self, x, labels):\n"
    "        out = self.net(x); return {'loss': (out - labels).square().mean(), 'logits': out}\n"
    "class Say(transformers.TrainerCallback):\n"
    "    def on_step_end(self, args, state, control, **_):\n"
    "        print('step', state.global_step, float(self.model.net[0].weight.sum()))\n"
    "        time.sleep(0.1)\n"
    "model = Model(); say = Say(); say.model = model\n"
    "rows = [{'x': a, 'labels': b} for a, b in zip(x, y)]\n"
    "arguments = transformers.TrainingArguments('out', num_train_epochs=3, save_strategy='no',\n"
    "    per_device_train_batch_size=32, report_to=[], disable_tqdm=True, use_cpu=True)\n"
    "unattended = transformers_callback(every=2)\n"
    "trainer = transformers.Trainer(model, arguments, train_dataset=rows,\n"
    "    callbacks=[say, unattended])\n"
    "trainer.remove_callback(transformers.PrinterCallback)  # tells how long it took\n"
    "done = trainer.train(resume_from_checkpoint=unattended.resume_from)"
)


@needs("torch", "transformers", "accelerate")
def test_transformers(tmp_path: Path) -> None:
    job = run_killed(tmp_path, [START, TRANSFORMERS, END], "step ", after=5)
    assert job.events("resumed")
