# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The main job as a play: a street, failing sensors, the node, and a report of what it did.

``stage`` makes the street, ``processes`` runs the nodes, ``published`` reads back what they said,
``analysis`` judges it against the injected truth, ``report`` and ``video`` show it.
"""
