# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From recordings to a training set, with the synchronizer and encoders of the vehicle.

``job`` says what is extracted, ``recorded_frames`` writes it and ``dataset`` keeps it together;
``encoding``, ``label_codes``, ``truth`` and ``calibration`` are what they need.
"""
