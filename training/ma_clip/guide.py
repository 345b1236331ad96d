# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The folder ``guide``: CLIP's image tower and its adapters, for the network that they steer.

``config.json`` and ``model.safetensors`` are a tower as transformers reads it, each folder of
``adapters`` is one of peft's; ``guide.json`` says what they were trained on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save

from anymodal_seg_ros.models.segrgbx import clip_adapters, clip_folder
from anymodal_seg_ros.models.segrgbx.clip_tower import ModalityClip
from anymodal_seg_ros.unfinished import whole_folder, write_errors

GUIDE_FOLDER = 'guide'
PROVENANCE_FILE = 'guide.json'


def write_guide(path: Path, tower: ModalityClip, provenance: Mapping[str, Any]) -> None:
    """Write the folder at once or not at all; an older one at ``path`` is replaced.

    Raises:
        WriteError: the disk is full, or the folder cannot be written at all.
    """
    state = {name: value.detach().cpu() for name, value in tower.state_dict().items()}
    vision = {name.removeprefix(clip_folder.TOWER): value for name, value in state.items()
              if name.startswith(clip_folder.TOWER)}
    files: dict[str, bytes] = {
        PROVENANCE_FILE: _json(provenance),
        clip_folder.CONFIG_FILE: _json(clip_folder.config_of(tower.size)),
        # transformers asks for the format.
        clip_folder.WEIGHTS_FILE: save(vision, {'format': 'pt'}),
    }
    for name in tower.adapters:
        place = f'{clip_adapters.ADAPTERS_FOLDER}/{name}'
        files[f'{place}/{clip_adapters.CONFIG_FILE}'] = _json(
            clip_adapters.adapter_config(tower.rank))
        files[f'{place}/{clip_adapters.WEIGHTS_FILE}'] = save(
            clip_adapters.adapter_tensors(tower, name), {'format': 'pt'})
    with whole_folder(path, replace=True) as folder, write_errors(path):
        for name, data in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)


def _json(data: Mapping[str, Any]) -> bytes:
    return (json.dumps(data, indent=2) + '\n').encode()
