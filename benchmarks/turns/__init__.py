# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Two trees that do the same work by turns; a folder, because every file beside it is a
benchmark."""
