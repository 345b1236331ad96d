# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Damaged and hostile input for everything that reads: what is tried, and what it costs."""
