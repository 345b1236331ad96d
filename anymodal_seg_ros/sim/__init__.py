# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The simulated street: its sensors and the truth, from a seed. Simulation layer, Open3D.

``simulator`` measures, ``drive_bag`` writes a bag and ``dataset`` images. Nothing is imported,
so that the command can be stopped while its libraries load.
"""
