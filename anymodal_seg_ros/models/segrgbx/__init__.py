# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""SegRGB-X: a camera and any other sensors, steered by what CLIP sees in them. Layer: models.

Source: "SegRGB-X: General RGB-X Semantic Segmentation Model", arXiv 2603.28023.
"""
