// What goes wrong with a store.
#pragma once

#include "base/error.h"

namespace bx {

class StoreError : public Error {
public:
    using Error::Error;
};

// Another process held the store for longer than the wait it was opened with.
class StoreBusy : public StoreError {
public:
    using StoreError::StoreError;
};

// The store's server does not answer, or takes no writes (it starts, stops or is a standby).
class StoreAway : public StoreError {
public:
    using StoreError::StoreError;
};

// The store took too long over what it was asked for: less of it at a time may do.
class StoreSlow : public StoreBusy {
public:
    using StoreBusy::StoreBusy;
};

// What was given cannot be stored: the same again fails, and the rest without it may do.
class StoreDataError : public StoreError {
public:
    using StoreError::StoreError;
};

// What lies in the store cannot be read.
class StoreDamaged : public StoreError {
public:
    using StoreError::StoreError;
};

// A newer major version made the store, or another program.
class StoreVersionError : public StoreError {
public:
    using StoreError::StoreError;
};

}  // namespace bx
