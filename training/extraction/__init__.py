# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From recordings to a training set, with the synchronizer and encoders of the vehicle."""

from training.extraction.calibration import calibration_dict, read_calibration, sha256_of
from training.extraction.dataset import ExtractedDataset, check_split
from training.extraction.encoding import EncodingOnly
from training.extraction.label_codes import FORMS, LabelCodes, load_label_codes
from training.extraction.recorded_frames import Report, Selection, extract_recording
from training.extraction.truth import LabelSource

__all__ = ['FORMS', 'EncodingOnly', 'ExtractedDataset', 'LabelCodes', 'LabelSource', 'Report',
           'Selection', 'calibration_dict', 'check_split', 'extract_recording',
           'load_label_codes', 'read_calibration', 'sha256_of']
