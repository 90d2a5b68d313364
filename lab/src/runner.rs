//! The order of things in a contest: contestants interleaved, each started, proven, checked, loaded, judged, killed, judged again.
