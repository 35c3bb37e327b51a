//! Rule files and cases in, verdicts with evidence out. Sees named fields only.
