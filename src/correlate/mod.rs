//! Flows, events and the address map in, cases out: the only place where logs and packets meet.
