"""Hugging Face both ways: against transformers itself, through layouts, bit for bit, and what is refused."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tokenizers
import torch
import yaml

from hanji.errors import HanjiError, InputError, RecipeError, RunError
from hanji.fingerprint import file_sha256
from hanji.jobs.cli import run
from hanji.training import launch
from hanji.training.huggingface.exporting import export_checkpoint
from hanji.training.huggingface.importing import import_folder
from hanji.training.huggingface.inspecting import inspect
from hanji.training.huggingface.safetensors import SafetensorsFile
from hanji.training.model.shape import RopeScaling, padded_vocabulary

transformers = pytest.importorskip("transformers")

SCALING = {
    "rope_type": "llama3",
    "factor": 4.0,
    "low_freq_factor": 1.5,
    "high_freq_factor": 3.0,
    "original_max_position_embeddings": 24,
}
COMMON = {"hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 4, "max_position_embeddings": 64}
CONFIGS: dict[str, dict[str, Any]] = {
    # Grouped queries, heads wider than hidden / heads, a vocabulary that is padded by 83 rows.
    "untied": {
        **COMMON, "vocab_size": 301, "num_attention_heads": 6, "num_key_value_heads": 2, "head_dim": 16,
        "tie_word_embeddings": False, "rms_norm_eps": 1e-6,
        "rope_parameters": {**SCALING, "rope_theta": 5000.0},
    },
    "tied": {
        **COMMON, "vocab_size": 300, "num_attention_heads": 4, "num_key_value_heads": 4,
        "tie_word_embeddings": True, "rms_norm_eps": 1e-5,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
    },
}  # fmt: skip
LAYOUTS = ("one", "tensor", "pipeline", "interleaved")


def make_folder(path: Path, config: dict[str, Any], dtype: torch.dtype = torch.float32, seed: int = 0) -> Any:
    """A LlamaForCausalLM as transformers saves it, in several files, with norms that are not all ones."""
    torch.manual_seed(seed)
    settings = transformers.LlamaConfig(**config, initializer_range=0.15)
    model = transformers.LlamaForCausalLM(settings).to(dtype)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name:
                parameter.copy_(1 + 0.3 * torch.randn_like(parameter))
    model.save_pretrained(path, max_shard_size="60KB")
    return model.eval()


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """folders/, imported/ and what the ranks made of them; expected/ has the logits of transformers."""
    root = tmp_path_factory.mktemp("huggingface")
    tokens = torch.randint(0, 300, (2, 64), generator=torch.Generator().manual_seed(1))
    np.save(root / "tokens.npy", tokens.numpy())
    (root / "expected").mkdir()
    for name, config in CONFIGS.items():
        model = make_folder(root / "folders" / name, config)
        with torch.no_grad():
            np.save(root / "expected" / f"{name}.npy", model(tokens).logits.numpy())
        import_folder(root / "folders" / name, root / "imported" / name)
    script = Path(__file__).with_name("huggingface_ranks.py")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(script), str(root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    return root


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of the bytes of each tensor of a folder, by an independent reader."""
    from safetensors import safe_open

    found = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118
                data = file.get_tensor(name).contiguous().view(torch.uint8).numpy()
                found[name] = hashlib.sha256(data).hexdigest()
    return found


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", CONFIGS)
def test_logits_are_those_of_transformers_on_the_same_weights(models: Path, name: str, layout: str) -> None:
    parts = sorted((models / "logits" / layout).glob(f"{name}-*.npy"))
    logits = np.concatenate([np.load(part) for part in parts], axis=-1)
    vocab_size = CONFIGS[name]["vocab_size"]
    assert logits.shape[-1] == padded_vocabulary(vocab_size)
    expected = np.load(models / "expected" / f"{name}.npy")
    assert np.abs(expected).max() > 1
    assert np.abs(logits[..., :vocab_size] - expected).max() <= 1e-4


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", CONFIGS)
def test_an_export_from_any_layout_has_the_bytes_of_the_folder(
    models: Path, tmp_path: Path, name: str, layout: str
) -> None:
    made = export_checkpoint(models / "saved" / layout / name, tmp_path / "out", shard_bytes=70_000)
    assert len(made.files) > 2
    assert digests(tmp_path / "out") == digests(models / "folders" / name)


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_round_trip_changes_no_byte_of_tensors_and_config(
    tmp_path: Path, name: str, dtype: torch.dtype
) -> None:
    make_folder(tmp_path / "folder", CONFIGS[name], dtype)
    import_folder(tmp_path / "folder", tmp_path / "imported")
    export_checkpoint(tmp_path / "imported", tmp_path / "back")
    assert digests(tmp_path / "back") == digests(tmp_path / "folder")
    config = (tmp_path / "folder" / "config.json").read_bytes()
    assert (tmp_path / "back" / "config.json").read_bytes() == config
    back = transformers.LlamaForCausalLM.from_pretrained(tmp_path / "back")
    assert back.dtype == dtype and back.config.tie_word_embeddings == CONFIGS[name]["tie_word_embeddings"]


@pytest.mark.parametrize("name", CONFIGS)
def test_a_config_of_our_own_means_the_same_to_transformers(models: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(models / "saved" / "one" / name, tmp_path / "checkpoint")
    export_checkpoint(tmp_path / "checkpoint", tmp_path / "out")
    assert "_name_or_path" not in json.loads((tmp_path / "out" / "config.json").read_text())
    model = transformers.LlamaForCausalLM.from_pretrained(tmp_path / "out").eval()
    with torch.no_grad():
        logits = model(torch.from_numpy(np.load(models / "tokens.npy"))).logits.numpy()
    assert np.array_equal(logits, np.load(models / "expected" / f"{name}.npy"))


def test_configs_of_transformers_4_and_5_are_read_alike(models: Path, tmp_path: Path) -> None:
    folder = models / "folders" / "untied"
    shutil.copytree(folder, tmp_path / "old")
    config = json.loads((folder / "config.json").read_text())
    rule = config.pop("rope_parameters")
    config["rope_theta"] = rule.pop("rope_theta")
    config["rope_scaling"] = {"type" if k == "rope_type" else k: v for k, v in rule.items()}
    config["torch_dtype"] = config.pop("dtype")
    (tmp_path / "old" / "config.json").write_text(json.dumps(config))
    found = inspect(tmp_path / "old")
    assert found.shape == inspect(folder).shape
    assert found.shape.rope_theta == 5000.0
    assert found.shape.rope_scaling == RopeScaling(4.0, 1.5, 3.0, 24)


def test_an_export_in_another_dtype_is_the_rounded_one(models: Path, tmp_path: Path) -> None:
    export_checkpoint(models / "imported" / "tied", tmp_path / "half", dtype="bfloat16")
    with SafetensorsFile(tmp_path / "half" / "model.safetensors") as half:
        name = "model.layers.2.self_attn.k_proj.weight"
        whole = transformers.LlamaForCausalLM.from_pretrained(models / "folders" / "tied")
        expected = dict(whole.named_parameters())[name].detach().to(torch.bfloat16)
        assert torch.equal(half.tensor(name), expected)
    assert json.loads((tmp_path / "half" / "config.json").read_text())["dtype"] == "bfloat16"


def test_weights_that_float16_cannot_hold_are_not_made_infinite(models: Path, tmp_path: Path) -> None:
    folder = tmp_path / "large"
    shutil.copytree(models / "folders" / "tied", folder)
    rewritten(folder, lambda tensors: tensors[NORM].mul_(1e6))
    import_folder(folder, tmp_path / "imported")
    with pytest.raises(InputError, match=f"{NORM} holds .* more than float16 can; export it in bfloat16"):
        export_checkpoint(tmp_path / "imported", tmp_path / "half", dtype="float16")
    assert not (tmp_path / "half").exists()


def test_hashes_name_the_same_tensors_before_and_after_an_import(models: Path) -> None:
    folder = inspect(models / "folders" / "untied", hashes=True)
    checkpoint = inspect(models / "saved" / "tensor" / "untied", hashes=True)
    assert folder.hashes == checkpoint.hashes == digests(models / "folders" / "untied")
    assert checkpoint.family is not None
    assert checkpoint.family["source"]["tensors"] == folder.hashes
    assert checkpoint.family["name"] == "untied"
    assert folder.parameters == checkpoint.parameters
    model = transformers.LlamaForCausalLM.from_pretrained(models / "folders" / "untied")
    assert folder.parameters == sum(p.numel() for p in model.parameters())


def test_a_run_starts_from_imported_weights_and_its_export_says_so(
    shards: Path, models: Path, tmp_path: Path
) -> None:
    source = models / "imported" / "tied"
    recipe = {
        "name": "on",
        "run": str(tmp_path / "run"),
        "shards": str(shards),
        "init_from": str(source),
        **yaml.safe_load(inspect(source).model_settings()),
        "parallel": {"tensor": 2},
        "stages": [{"name": "only", "steps": 1, "blend": {"*/*/*": 1.0}}],
        "batch": {"global_size": 2, "micro_size": 2},
        "schedule": {"peak_lr": 1e-5, "warmup_steps": 0},
        "optimizer": {"weight_decay": 0.0},
        "precision": "bf16",
    }
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe))
    launch.train(path)
    made = export_checkpoint(tmp_path / "run", tmp_path / "out", dtype="float32")
    assert made.notes == ()
    # The shards' tokenizer is no real one: it is copied as it is.
    assert (tmp_path / "out" / "tokenizer.json").read_bytes() == (shards / "tokenizer.json").read_bytes()
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert (config["vocab_size"], config["eos_token_id"]) == (300, 299)
    before = transformers.LlamaForCausalLM.from_pretrained(models / "folders" / "tied")
    after = transformers.LlamaForCausalLM.from_pretrained(tmp_path / "out")
    for (name, old), (_, new) in zip(before.named_parameters(), after.named_parameters(), strict=True):
        # Adam's first step moves a weight by at most its rate, which bf16 would round away: these are the
        # optimizer's fp32 weights, and they began with the folder's fp32 values.
        assert 0 < (old - new).abs().max() < 1.1e-5, name
    export_checkpoint(tmp_path / "run", tmp_path / "half")
    half = transformers.LlamaForCausalLM.from_pretrained(tmp_path / "half")
    for (name, new), (_, rounded) in zip(after.named_parameters(), half.named_parameters(), strict=True):
        assert rounded.dtype == torch.bfloat16 and torch.equal(new.to(torch.bfloat16), rounded), name
    family = json.loads((tmp_path / "out" / "hanji-family.json").read_text())
    assert [parent["hash"] for parent in family["parents"]] == [inspect(source).family["hash"]]  # type: ignore[index]
    assert family["layer_map"] == [{"parent": 0, "layer": layer} for layer in range(4)]
    # Another model under init_from is refused once the run has begun, and a run goes on without it.
    with pytest.raises(RecipeError, match=r"is not what the run in .* began with"):
        launch.describe(launch.read_recipe(path, [f"init_from={models / 'imported' / 'untied'}"]))
    assert launch.describe(launch.read_recipe(path, ["init_from=null"]))
    assert "weights from tied" in launch.describe(launch.read_recipe(path))


def test_weights_of_another_model_are_refused_before_the_first_step(
    shards: Path, models: Path, recipe_data: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe_data(init_from=str(models / "imported" / "untied"))))
    with pytest.raises(RecipeError, match=r"model.layers is 2, there 4; .*vocabulary of the shards has 300"):
        launch.train(path)
    path.write_text(yaml.safe_dump(recipe_data(init_from=str(tmp_path / "nowhere"))))
    with pytest.raises(InputError, match="no checkpoint here"):
        launch.train(path)
    assert not (tmp_path / "run").exists()


def rewritten(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Put the tensors of a folder into one file after a change to the mapping of them."""
    from safetensors.torch import load_file, save_file

    tensors: dict[str, Any] = {}
    for path in folder.glob("*.safetensors"):
        tensors |= load_file(path)
        path.unlink()
    (folder / "model.safetensors.index.json").unlink()
    change(tensors)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def edited(folder: Path, name: str, **changes: Any) -> None:
    path = folder / name
    data = json.loads(path.read_text())
    path.write_text(json.dumps({**data, **changes}))


def cut_short(folder: Path) -> None:
    path = next(folder.glob("*.safetensors"))
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 10)


def reindexed(folder: Path, file: str) -> None:
    index = folder / "model.safetensors.index.json"
    data = json.loads(index.read_text())
    data["weight_map"]["model.norm.weight"] = file
    index.write_text(json.dumps(data))


NORM = "model.norm.weight"
DAMAGE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "architecture": (
        lambda f: edited(f, "config.json", architectures=["MistralForCausalLM"], model_type="mistral"),
        r"MistralForCausalLM.*only LlamaForCausalLM",
    ),
    "bias": (lambda f: edited(f, "config.json", attention_bias=True), "attention_bias: True"),
    "activation": (lambda f: edited(f, "config.json", hidden_act="gelu"), "hidden_act: gelu"),
    "rope rule": (
        lambda f: edited(f, "config.json", rope_parameters={"rope_type": "yarn", "factor": 2.0}),
        "rope_type 'yarn'",
    ),
    "rope twice": (
        lambda f: edited(f, "config.json", rope_theta=123.0, rope_scaling=None),
        "contradict each other",
    ),
    "half a rope rule": (
        lambda f: edited(f, "config.json", rope_parameters={"rope_type": "llama3", "factor": 2.0}),
        "needs low_freq_factor, high_freq_factor, original_max_position_embeddings",
    ),
    "hidden size": (
        lambda f: edited(f, "config.json", hidden_size=96),
        r"shape \[.*48.*\], config.json asks for \[.*96",
    ),
    "vocabulary": (
        lambda f: edited(f, "config.json", vocab_size=305),
        r"embed_tokens.weight has shape \[301, 48\], config.json asks for \[305, 48\]",
    ),
    "layers": (lambda f: edited(f, "config.json", num_hidden_layers=5), r"missing model.layers.4"),
    "heads": (lambda f: edited(f, "config.json", num_key_value_heads=4), "kv_heads: 4 does not divide"),
    "size": (lambda f: edited(f, "config.json", num_hidden_layers="4"), "num_hidden_layers: '4'"),
    "tied": (
        lambda f: edited(f, "config.json", tie_word_embeddings=True),
        "lm_head.weight differs from model.embed_tokens.weight",
    ),
    "missing tensor": (lambda f: rewritten(f, lambda t: t.pop(NORM)), f"missing {NORM}"),
    "unexpected tensor": (
        lambda f: rewritten(f, lambda t: t.update({"model.layers.0.self_attn.q_proj.bias": torch.ones(96)})),
        "unexpected model.layers.0.self_attn.q_proj.bias",
    ),
    "dtype": (
        lambda f: rewritten(f, lambda t: t.update({NORM: t[NORM].to(torch.int64)})),
        f"{NORM} has dtype I64; weights are F32, BF16, F16",
    ),
    "two dtypes": (
        lambda f: rewritten(f, lambda t: t.update({NORM: t[NORM].to(torch.bfloat16)})),
        f"{NORM} has dtype BF16, model.embed_tokens.weight has F32",
    ),
    "truncated": (cut_short, "was cut short"),
    "no header": (
        lambda f: next(f.glob("*.safetensors")).write_bytes(struct.pack("<Q", 10**12) + b"{}"),
        "its header claims 1,000,000,000,000 bytes",
    ),
    "missing file": (lambda f: next(f.glob("*.safetensors")).unlink(), "cannot be read"),
    "path": (lambda f: reindexed(f, "../elsewhere.safetensors"), "'../elsewhere.safetensors'; a plain name"),
    "absolute path": (lambda f: reindexed(f, "/etc/x.safetensors"), "'/etc/x.safetensors'; a plain name"),
    "no config": (lambda f: (f / "config.json").unlink(), "config.json: there is no such file"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_folder_that_cannot_be_imported_is_refused_before_anything_is_written(
    models: Path, tmp_path: Path, damage: str, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "folder"
    shutil.copytree(models / "folders" / "untied", folder)
    spoil, message = DAMAGE[damage]
    spoil(folder)
    with pytest.raises(HanjiError, match=message) as raised:
        import_folder(folder, tmp_path / "out")
    assert str(folder) in str(raised.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder"]
    assert run(["model", "import", str(folder), str(tmp_path / "out"), "-q"]) == raised.value.exit_code
    assert str(folder) in capfd.readouterr().err.replace("\n", "")


def test_a_tied_folder_may_repeat_its_embedding_and_old_frequencies(models: Path, tmp_path: Path) -> None:
    def repeat(tensors: dict[str, Any]) -> None:
        tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"].clone()
        tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(6)

    shutil.copytree(models / "folders" / "tied", tmp_path / "folder")
    rewritten(tmp_path / "folder", repeat)
    import_folder(tmp_path / "folder", tmp_path / "imported")
    export_checkpoint(tmp_path / "imported", tmp_path / "back")
    assert digests(tmp_path / "back") == digests(models / "folders" / "tied")


def test_a_checkpoint_that_is_damaged_or_cut_off_is_not_exported(models: Path, tmp_path: Path) -> None:
    checkpoint = tmp_path / "step-00000001"
    shutil.copytree(models / "saved" / "tensor" / "untied", checkpoint)
    file = checkpoint / "__1_0.distcp"
    whole = file.read_bytes()
    # One bit of a weight: the file has its length, and torch reads it.
    layer = transformers.LlamaForCausalLM.from_pretrained(models / "folders" / "untied").model.layers[1]
    last_head = layer.self_attn.q_proj.weight.detach()[-16:]
    at = whole.index(last_head.numpy().tobytes())
    file.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    with pytest.raises(
        RunError, match=r"decoder.layers.self_attention.linear_qkv.weight is not what was saved"
    ):
        export_checkpoint(checkpoint, tmp_path / "out")
    file.write_bytes(whole[:-100])
    with pytest.raises(RunError, match=r"__1_0\.distcp: has .* bytes where .* were saved"):
        export_checkpoint(checkpoint, tmp_path / "out")
    file.unlink()
    with pytest.raises(RunError, match=r"__1_0\.distcp: is missing"):
        export_checkpoint(checkpoint, tmp_path / "out")
    (checkpoint / "commit.json").unlink()
    with pytest.raises(InputError, match="this save was cut off"):
        export_checkpoint(checkpoint, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000001"]


def test_the_commands_write_and_describe_a_model(
    models: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder, checkpoint, back = models / "folders" / "untied", tmp_path / "model", tmp_path / "back"
    assert run(["model", "import", str(folder), str(checkpoint), "--name", "small", "-q"]) == 0
    assert f"init_from: {checkpoint}" in capfd.readouterr().out
    assert run(["model", "import", str(folder), str(checkpoint), "-q"]) == 2
    assert "is there already" in capfd.readouterr().err.replace("\n", " ")
    assert run(["model", "export", str(checkpoint), str(back), "--shard-size", "100KB", "-q"]) == 0
    out = capfd.readouterr().out
    assert "of float32 in" in out and "no tokenizer was copied" in out
    assert run(["model", "export", str(checkpoint), str(tmp_path / "x"), "--shard-size", "5 cows"]) == 2
    capfd.readouterr()
    assert run(["model", "inspect", str(checkpoint), "--json"]) == 0
    told = json.loads(capfd.readouterr().out)
    assert told["family"]["name"] == "small" and told["padded_vocab_size"] == 384
    assert run(["model", "inspect", str(back), "--sequence", "32"]) == 0
    out = capfd.readouterr().out
    assert "llama3 scaling factor 4" in out and "a token at 32" in out and "small (import)" in out


def test_an_export_that_is_imported_again_has_its_origin_as_parent(models: Path, tmp_path: Path) -> None:
    export_checkpoint(models / "imported" / "untied", tmp_path / "folder")
    again = import_folder(tmp_path / "folder", tmp_path / "again")
    origin = inspect(models / "imported" / "untied").family
    assert origin is not None
    assert [parent["hash"] for parent in again.family["parents"]] == [origin["hash"]]


def test_an_exported_tokenizer_is_what_transformers_loads(
    shards: Path, models: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    made = tokenizers.Tokenizer(tokenizers.models.BPE())
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=299, initial_alphabet=alphabet, show_progress=False)
    made.train_from_iterator(["한지는 닥나무로 만든다. Paper made of mulberry."], trainer)
    made.add_special_tokens(["<eod>"])
    words = tmp_path / "shards"
    words.mkdir()
    made.save(str(words / "tokenizer.json"))
    manifest = json.loads((shards / "manifest.json").read_text())
    eod = made.token_to_id("<eod>")
    manifest["tokenizer"].update(sha256=file_sha256(words / "tokenizer.json"), eod_id=eod)
    (words / "manifest.json").write_text(json.dumps(manifest))
    arguments = ["model", "export", str(models / "saved" / "one" / "tied"), str(tmp_path / "out")]
    assert run([*arguments, "--tokenizer", str(words), "-q"]) == 0
    assert "note" not in capfd.readouterr().out
    loaded = transformers.AutoTokenizer.from_pretrained(tmp_path / "out")
    text = "한지는 paper"
    assert loaded.encode(text) == made.encode(text).ids and loaded.decode(loaded.encode(text)) == text
    assert loaded.eos_token_id == eod
    assert transformers.GenerationConfig.from_pretrained(tmp_path / "out").eos_token_id == eod


def test_a_shape_that_transformers_refuses_is_exported_with_a_note(models: Path, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="not a multiple of the number of attention heads"):
        transformers.LlamaConfig(hidden_size=50, num_attention_heads=4, head_dim=16)
    shutil.copytree(models / "folders" / "tied", tmp_path / "folder")

    def narrow(tensors: dict[str, Any]) -> None:
        """45 of 48 columns of the residual stream; the four heads of 12 stay."""
        for name, tensor in tensors.items():
            axis = 0 if name.endswith(("norm.weight", "o_proj.weight", "down_proj.weight")) else -1
            tensors[name] = tensor.narrow(axis, 0, 45).contiguous()

    rewritten(tmp_path / "folder", narrow)
    edited(tmp_path / "folder", "config.json", hidden_size=45, head_dim=12)
    import_folder(tmp_path / "folder", tmp_path / "imported")
    made = export_checkpoint(tmp_path / "imported", tmp_path / "back")
    assert any("hidden size 45 is not a multiple of 4 heads" in note for note in made.notes)
    assert digests(tmp_path / "back") == digests(tmp_path / "folder")
