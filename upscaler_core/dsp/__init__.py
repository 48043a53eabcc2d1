"""Signal processing without models: streams and windows, resampling, filters, spectra, noise, and measurements."""

from upscaler_core.dsp.bandwidth import LOW_CONFIDENCE, Above, Bandwidth, BandwidthTrack, Cause, Segment
from upscaler_core.dsp.edge_rules import BandLevels, find_bandwidth, measure_bandwidth
from upscaler_core.dsp.filters import highpass, kaiser_half_length, kaiser_lowpass, lowpass
from upscaler_core.dsp.frames import Frames, blackman_harris
from upscaler_core.dsp.griffin_lim import fading_phasor, griffinlim, unit_phasor
from upscaler_core.dsp.loudness import Levels, measure_levels
from upscaler_core.dsp.loudspeakers import SPEAKERS, default_layout, same_layout
from upscaler_core.dsp.resample import Resample
from upscaler_core.dsp.spectral_tilt import (
    REFERENCE_BAND,
    TILT_PER_OCTAVE,
    band_level,
    tilted_log_magnitude,
    tilted_magnitude,
)
from upscaler_core.dsp.spectrogram import Spectrogram, stream_spectrogram
from upscaler_core.dsp.stereo import to_left_right, to_mid_side
from upscaler_core.dsp.streaming import Stream
from upscaler_core.dsp.true_peak import TruePeak

__all__ = [
    "LOW_CONFIDENCE",
    "REFERENCE_BAND",
    "SPEAKERS",
    "TILT_PER_OCTAVE",
    "Above",
    "BandLevels",
    "Bandwidth",
    "BandwidthTrack",
    "Cause",
    "Frames",
    "Levels",
    "Resample",
    "Segment",
    "Spectrogram",
    "Stream",
    "TruePeak",
    "band_level",
    "blackman_harris",
    "default_layout",
    "fading_phasor",
    "find_bandwidth",
    "griffinlim",
    "highpass",
    "kaiser_half_length",
    "kaiser_lowpass",
    "lowpass",
    "measure_bandwidth",
    "measure_levels",
    "same_layout",
    "stream_spectrogram",
    "tilted_log_magnitude",
    "tilted_magnitude",
    "to_left_right",
    "to_mid_side",
    "unit_phasor",
]
