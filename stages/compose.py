"""Writes params.yaml anew as the composition of conf/ with the default recipe: python -m stages.compose

What `dvc exp run -S ...` does for an experiment, for the committed default; a test holds the file against it.
"""

from pathlib import Path

from stages.console import main_guard, say
from stages.files import write_text


def composed(overrides: list[str] | None = None, conf: Path = Path("conf")) -> str:
    """params.yaml's text for conf/config.yaml and Hydra overrides such as ["recipe=embedded"]."""
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    with initialize_config_dir(str(conf.resolve()), version_base=None):
        config = compose("config", overrides=overrides or [])
    OmegaConf.resolve(config)
    return OmegaConf.to_yaml(config)


@main_guard
def main() -> None:
    write_text("params.yaml", composed())
    say("params.yaml: composed from conf/")


if __name__ == "__main__":
    main()
