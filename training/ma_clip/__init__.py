# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""MA-CLIP, the first stage of SegRGB-X: CLIP learns to see other sensors by captions of the scene.

Source: Liu et al., "SegRGB-X", arXiv 2603.28023, and its appendix. Images of a camera and of one
other sensor go through CLIP with that sensor's adapter, and come near the text of the scene. What
comes out, the folder ``guide``, steers the network of the second stage.
"""
