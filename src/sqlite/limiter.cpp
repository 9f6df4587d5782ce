// The limiter of the SQLite store.
#include "store/limiter.h"

#include <algorithm>

#include "sqlite/parts.h"
#include "sqlite/statements.h"
#include "store/errors.h"

namespace bx::sqlite {

namespace {

constexpr std::int64_t one_call = 1000;  // of a level

// While there is one, changes do not wait for the disk: what a power cut takes of these would be over
// within minutes.  With a rollback journal (which has EXTRA) the file would be in danger too.
class Unsynced {
public:
    explicit Unsynced(Database& database)
        : db_(database), was_full_(db_.number("PRAGMA synchronous") == full) {
        if (was_full_) db_.script("PRAGMA synchronous = NORMAL");
    }
    ~Unsynced() {
        try {
            if (was_full_) db_.script("PRAGMA synchronous = FULL");
        } catch (const StoreError&) {
            // Out of memory: who goes on with the store hears of it there.
        }
    }
    Unsynced(const Unsynced&) = delete;
    Unsynced& operator=(const Unsynced&) = delete;

private:
    static constexpr std::int64_t full = 2;

    Database& db_;
    const bool was_full_;
};

class Buckets final : public Limiter {
public:
    explicit Buckets(Database& database) : db_(database) {}

    Turn take(const CalledMethod& what, const CallRate& rate, Millis at_most) override;
    void fill(const std::string& portal, const CallRate& rate) override;
    void note_operating(const CalledMethod& what, Millis in) override;
    Millis block(const CalledMethod& what, Millis otherwise) override;

private:
    struct Operating {
        Millis free_in = 0;  // 0: nothing is known
        bool blocked = false;
    };
    Operating operating(const CalledMethod& what, Millis now);
    void set_operating(const CalledMethod& what, Millis free_at, bool blocked);
    std::int64_t level(const std::string& portal, int rate, Millis now);

    Database& db_;
};

// A time that is further away than any is of before the machine's boot.
Buckets::Operating Buckets::operating(const CalledMethod& what, Millis now) {
    Rows rows = db_.rows(sql::operating_of, what.portal, what.whose, what.method);
    using row = sql::operating_row;
    if (!rows.next()) return {};
    const Millis free_in = rows.number(row::free_at) - now;
    if (free_in <= 0 || free_in > longest_block) return {};
    return {free_in, rows.number(row::blocked) != 0};
}

void Buckets::set_operating(const CalledMethod& what, Millis free_at, bool blocked) {
    db_.run(sql::operating_set, what.portal, what.whose, what.method, free_at, blocked ? 1 : 0);
}

// What is in the bucket at NOW.  One of before the machine's boot is as it was left, and empties from
// now on.
std::int64_t Buckets::level(const std::string& portal, int rate, Millis now) {
    std::int64_t left = 0;
    Millis at = 0;
    {
        Rows rows = db_.rows(sql::limiter_level, portal);
        using row = sql::level_row;
        if (!rows.next()) return 0;
        left = rows.number(row::level);
        at = rows.number(row::at);
    }
    if (at > now) db_.run(sql::limiter_set, portal, left, now);
    return std::max<std::int64_t>(left - std::max<Millis>(now - at, 0) * rate, 0);
}

Limiter::Turn Buckets::take(const CalledMethod& what, const CallRate& rate, Millis at_most) {
    const Unsynced unsynced(db_);
    Transaction transaction(db_, Transaction::Kind::write);
    const Millis now = boot_now();
    const Operating known = operating(what, now);
    if (known.blocked) return {false, known.free_in};
    const std::int64_t filled = level(what.portal, rate.rate, now) + one_call;
    const std::int64_t over = std::max<std::int64_t>(filled - rate.burst * one_call, 0);
    const Turn turn{.taken = true, .wait = (over + rate.rate - 1) / rate.rate};
    if (turn.wait > at_most) {
        transaction.commit();
        return {false, turn.wait};
    }
    db_.run(sql::limiter_set, what.portal, filled, now);
    transaction.commit();
    return turn;
}

void Buckets::fill(const std::string& portal, const CallRate& rate) {
    const Unsynced unsynced(db_);
    Transaction transaction(db_, Transaction::Kind::write);
    const Millis now = boot_now();
    const std::int64_t full = rate.burst * one_call;
    db_.run(sql::limiter_set, portal, std::max(level(portal, rate.rate, now), full), now);
    transaction.commit();
}

void Buckets::note_operating(const CalledMethod& what, Millis in) {
    const Unsynced unsynced(db_);
    Transaction transaction(db_, Transaction::Kind::write);
    const Millis now = boot_now();
    const Operating known = operating(what, now);
    db_.run(sql::operating_prune, now);
    set_operating(what, now + std::clamp<Millis>(in, 0, longest_block), known.blocked);
    transaction.commit();
}

Millis Buckets::block(const CalledMethod& what, Millis otherwise) {
    const Unsynced unsynced(db_);
    Transaction transaction(db_, Transaction::Kind::write);
    const Millis now = boot_now();
    const Operating known = operating(what, now);
    const Millis lasting = known.free_in > 0 ? known.free_in : otherwise;
    set_operating(what, now + lasting, true);
    transaction.commit();
    return lasting;
}

}  // namespace

std::unique_ptr<Limiter> make_limiter(Database& database) {
    return std::make_unique<Buckets>(database);
}

}  // namespace bx::sqlite
