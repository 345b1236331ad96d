# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The field's robustness benchmark: sensors missing, elements missing, noise, sensor failures.

``protocol`` says what is measured, ``degradation`` makes the images, ``benchmark`` runs a network
on them, ``result`` holds what came out and ``tables`` shows it.
"""
