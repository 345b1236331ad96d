# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The deployable folder: weights, network, encoders, label space, provenance. Layer: bundle.

A bundle is ``bundle.json``, ``weights.safetensors`` and the artefacts that the JSON declares, in
one folder: data, never code. Nothing of it is trusted before it is checked, and nothing is
allocated for what does not fit. What is here needs no torch; the tensors are in
``bundle.weights``.

Versions: the JSON carries a ``format_version``. A release writes the newest one that it knows and
reads that and every older one, step by step (``description.STEPS``); the files of an older bundle
stay as they are, but for its JSON, which noted scores (``update_provenance``) bring to the newest
version. A newer one is refused with a line that says so, and so is anything that its
version does not have, an artefact of an unknown kind too: a vehicle runs nothing that it
understands in part. Whatever adds a key, a kind or a setting of a network raises the version; its
step names what older bundles had.
"""

from anymodal_seg_ros.bundle.artefacts import KINDS, Artefact
from anymodal_seg_ros.bundle.description import FORMAT_VERSION, FROM_DATASET, Bundle
from anymodal_seg_ros.bundle.folder import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    read_artefact,
    read_description,
    read_weights_sha256,
    update_provenance,
)

__all__ = ['CONFIG_FILE', 'FORMAT_VERSION', 'FROM_DATASET', 'KINDS', 'WEIGHTS_FILE', 'Artefact',
           'Bundle', 'read_artefact', 'read_description', 'read_weights_sha256',
           'update_provenance']
