// The pace of calls to a portal, by the store's limiter.
#pragma once

#include <string>

#include "rest/caller.h"
#include "store/limiter.h"
#include "sync/context.h"

namespace bx {

class SharedPace final : public Pace {
public:
    // Calls that somebody waits for, or those that leave half of the burst to others.
    enum class Kind { usual, leaves_half };

    // LIMITER outlives it.  WHOSE and PORTAL: as of CalledMethod.
    SharedPace(Limiter& limiter, std::string portal, std::string whose, CallRate rate, Kind kind);

    bool wait_for_turn(const std::string& method, Millis until) override;
    Millis note(const std::string& method, const RestAnswer& answer) override;

private:
    CalledMethod called(const std::string& method) const { return {portal_, whose_, method}; }

    Limiter& limiter_;
    std::string portal_;
    std::string whose_;
    CallRate rate_;
    Kind kind_;
};

// How long sync's own calls wait for their turn.
constexpr Millis longest_turn_wait = 30 * second;

// Of what sync itself asks of the portal MEMBER_ID with the tokens of that application.
SharedPace pace_of(const SyncContext& context, const std::string& member_id,
                   const std::string& client_id);
// How long that waits for its turn (steady): until the end of CONTEXT, 30 s at most.
Millis turn_until(const SyncContext& context);

}  // namespace bx
