//! Load generators: Gatling, k6 and the native one behind one interface.
