"""Options in a TOML file: --config, what a store says of itself, and `make store CONFIG=`."""

import subprocess

import pytest

from compute.__main__ import main
from compute.cli.config import with_config
from featurestore.__main__ import main as featurestore
from featurestore.reader import Store
from tests.support import ROOT

CONFIG = """
model = "digits"
images = "digits"
limit = 12
stages = ["activations"]
threads = 1
device = "cpu"
store = "out"
"""


@pytest.fixture
def config(tmp_path):
    (tmp_path / "store.toml").write_text(CONFIG)
    return tmp_path / "store.toml"


def words(config, *rest, command="store"):
    return with_config([command, "--config", str(config), *rest])


def test_the_files_options_come_before_the_command_lines(config):
    found = words(config, "--limit", "3")
    assert found.index("--limit=12") < found.index("--limit")
    assert "--stages=activations" in found and f"--store={config.parent / 'out'}" in found


def test_without_a_file_nothing_changes():
    assert with_config(["store", "--limit", "3"]) == ["store", "--limit", "3"]


def test_other_commands_take_what_says_which_model(config):
    found = words(config, "--image", "a.png", command="saliency")
    assert {"--model=digits", "--device=cpu"} < set(found)
    assert not any(word.startswith(("--limit", "--images", "--store")) for word in found)


def test_paths_are_relative_to_the_file(tmp_path):
    config = tmp_path / "a.toml"
    config.write_text(
        'model = "nets/mine.py:net"\ncheckpoint = "w.pt"\nclasses = "c.txt"\nimages = "photos"\nstore = "s3://b/c"'
    )
    assert words(config)[1:6] == [
        f"--model={tmp_path}/nets/mine.py:net",
        f"--checkpoint={tmp_path}/w.pt",
        f"--classes={tmp_path}/c.txt",
        f"--images={tmp_path}/photos",
        "--store=s3://b/c",
    ]


@pytest.mark.parametrize(
    "line, word",
    [
        ("size = 64", "--size=64"),
        ("size = [64, 128]", "--size=64,128"),
        ("mean = [0.5, -0.1]", "--mean=0.5,-0.1"),
        ("transform-input = false", "--transform-input=off"),
        ('checkpoint_key = "model_ema"', "--checkpoint-key=model_ema"),
        ('model = "hf:google/vit"', "--model=hf:google/vit"),
        ('model = "package.module:net"', "--model=package.module:net"),
        ('images = "torchvision:CIFAR10"', "--images=torchvision:CIFAR10"),
    ],
)
def test_values_of_every_kind(line, word, tmp_path):
    (tmp_path / "a.toml").write_text(line)
    assert word in words(tmp_path / "a.toml")


@pytest.mark.parametrize(
    "text, said",
    [
        ("modle = 'demo'", "there is no option 'modle'; did you mean model"),
        ("config = 'b.toml'", "there is no option 'config'"),
        ("letterbox = true", "there is no option 'letterbox'"),
        ("[model]\nname = 'demo'", "model is {'name': 'demo'}; give text, a number or a list of them"),
        ("model = ", "is not TOML"),
    ],
)
def test_what_no_option_takes(text, said, tmp_path, capsys):
    (tmp_path / "a.toml").write_text(text)
    assert main(["store", "--config", str(tmp_path / "a.toml"), "--store", str(tmp_path / "out")]) == 2
    assert said in capsys.readouterr().err


def test_no_such_file(tmp_path, capsys):
    assert main(["store", "--config", str(tmp_path / "none.toml")]) == 2
    assert "none.toml' can't be read" in capsys.readouterr().err


@pytest.mark.slow
def test_a_store_prints_the_options_that_make_it_again(config, capsys):
    assert main(["store", "--config", str(config)]) == 0
    made = Store(config.parent / "out").current()
    capsys.readouterr()
    assert featurestore(["config", str(config.parent / "out")]) == 0
    again = config.parent / "again.toml"
    again.write_text(capsys.readouterr().out)
    assert 'model = "digits"' in again.read_text()
    assert (
        main(["store", "--config", str(again), "--store", str(config.parent / "second"), "--device", "cpu"])
        == 0
    )
    assert Store(config.parent / "second").current() == made


@pytest.mark.parametrize(
    "said, expected, missing",
    [
        (["CONFIG=a.toml"], "--config='a.toml'", "--model"),
        (["CONFIG=a.toml", "MODEL=digits", "LIMIT=3"], "--model='digits'", "--images"),
        (["MODEL=digits"], "--store='stores/digits' --device='auto'", "--config"),
    ],
)
def test_make_gives_its_own_defaults_without_a_file_alone(said, expected, missing):
    command = ["make", "--dry-run", "--no-print-directory", "-o", "install", "store", *said]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    printed = printed[printed.index("-m compute store") :]
    assert expected in printed and missing not in printed
