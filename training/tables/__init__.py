# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tables that compare recipes: rows, the runs that they need, stored results, Markdown.

Reading and printing need no torch.
"""
