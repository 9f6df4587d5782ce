// The gateway's part of the PostgreSQL store.
#include <endian.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/random.h"
#include "base/text.h"
#include "postgres/chores.h"
#include "postgres/events.h"
#include "postgres/new_events.h"
#include "postgres/parts.h"

namespace bx::postgres {

std::string batch_key() {
    std::string key;
    for (const std::uint64_t part : {static_cast<std::uint64_t>(wall_now()), random_bits()}) {
        const std::uint64_t big = htobe64(part);
        key.append(reinterpret_cast<const char*>(&big), sizeof big);
    }
    return key;
}

namespace {

class Sink final : public EventSink {
public:
    explicit Sink(Names& names) : names_(names), session_(names.session()) {}

    AddedBatch add(const NewBatch& batch, std::int64_t queue_limit) override;
    std::vector<KnownInstallation> look_up(std::span<const std::string> member_ids,
                                           std::span<const std::string> domains) override;
    bool has_installations() override {
        return session_.call(Call<sql::has_installations>()).number(0, 0) != 0;
    }
    void retire_tokens(std::span<const SeenToken> seen) override;
    void heal(std::span<const Offer> offers) override;
    std::int64_t probe() override;
    std::optional<Millis> next_chore() override {
        return postgres::next_chore(session_);
    }
    std::int64_t unfinished() override { return postgres::unfinished(session_); }

private:
    Call<sql::add> call_of(std::span<const NewEvent> events, const std::string& key,
                           std::int64_t queue_limit);
    Call<sql::add_and_hold> call_of(const NewBatch& batch, const std::string& key,
                                    std::int64_t queue_limit);
    void add_posts(Call<sql::add_and_hold>& call, std::span<const NewHeldPost> posts);
    template <typename MakeCall>
    Result add_surely(MakeCall make_call);
    void wake_workers();

    Names& names_;
    Session& session_;
};

AddedBatch Sink::add(const NewBatch& batch, std::int64_t queue_limit) {
    const std::string key = batch_key();
    AddedBatch added;
    added.numbers.resize(batch.events.size());
    std::size_t event = 0;
    bool wake = false;
    if (batch.held.empty()) {
        using out = sql::add::Out;
        const Result answer = add_surely([&] { return call_of(batch.events, key, queue_limit); });
        for (int row = 0; row < answer.rows(); ++row) {
            added.numbers[event++] = answer.number(row, out::n);
        }
        wake = answer.rows() > 0 && answer.number(0, out::wake) != 0;
    } else {
        using out = sql::add_and_hold::Out;
        const Result answer = add_surely([&] { return call_of(batch, key, queue_limit); });
        for (int row = 0; row < answer.rows(); ++row) {
            if (const auto held = answer.maybe_number(row, out::held)) {
                added.held.push_back(static_cast<HoldResult>(*held));
                continue;
            }
            if (!answer.is_null(row, out::replaced)) {
                added.replaced.push_back(
                    {answer.text(row, out::replaced), answer.text(row, out::by_peer)});
                continue;
            }
            added.numbers[event++] = answer.number(row, out::n);
            wake = wake || answer.number(row, out::wake) != 0;
        }
    }
    if (wake) wake_workers();
    return added;
}

Call<sql::add> Sink::call_of(std::span<const NewEvent> events, const std::string& key,
                             std::int64_t queue_limit) {
    using in = sql::add::In;
    Call<sql::add> call;
    call[in::key] = Param::bytes(key);
    call[in::at] = session_.at(wall_now());
    call[in::limit] = Param::number(queue_limit);
    call[in::ts] = add_events(call, names_, events);
    return call;
}

Call<sql::add_and_hold> Sink::call_of(const NewBatch& batch, const std::string& key,
                                      std::int64_t queue_limit) {
    using in = sql::add_and_hold::In;
    Call<sql::add_and_hold> call;
    call[in::key] = Param::bytes(key);
    call[in::now] = session_.at(wall_now());
    call[in::limit] = Param::number(queue_limit);
    call[in::event_ts] = add_events(call, names_, batch.events);
    add_posts(call, batch.held);
    const HoldLimits& most = hold_limits;
    call[in::limits] = Param::numbers(
        std::vector<std::int64_t>{most.of_installation, most.posts, most.bytes, most.unverified});
    return call;
}

void Sink::add_posts(Call<sql::add_and_hold>& call, std::span<const NewHeldPost> posts) {
    using in = sql::add_and_hold::In;
    const auto numbers = [&](auto part) {
        std::vector<std::int64_t> list;
        for (const NewHeldPost& post : posts) list.push_back(part(post));
        return Param::numbers(list);
    };
    using Post = const NewHeldPost&;
    call[in::kind] = numbers([](Post post) { return static_cast<std::int64_t>(post.kind); });
    call[in::member] = column(posts, [](Post post) { return post.event.facts.member_id; });
    call[in::token] = column(posts, [](Post post) { return post.token; });
    call[in::at] = numbers([&](Post post) { return session_.theirs(post.event.received_at); });
    call[in::bytes] = numbers([](Post post) {
        const NewEvent& event = post.event;
        return event.body.empty() ? 0 : static_cast<std::int64_t>(event.body.size() +
                                                                  event.secrets.size());
    });
    call[in::data] = column(posts, [](Post post) { return pack_post(post.event); });
    call[in::domain] = column(posts, [](Post post) { return lower(post.event.facts.domain); });
    call[in::user] = column(posts, [](Post post) { return post.event.facts.user_id; });
    call[in::ts] = numbers(
        [](Post post) { return ts_number(post.event.facts.ts).value_or(no_number); });
    call[in::tokens] = column(posts, [](Post post) { return pack_tokens(post.tokens); });
    call[in::expires] = numbers([&](Post post) {
        return post.tokens.expires_at == 0 ? 0 : session_.theirs(post.tokens.expires_at);
    });
    call[in::server] = column(posts, [](Post post) { return post.server; });
    call[in::peer] = column(posts, [](Post post) { return post.peer; });
}

// A batch whose commit got no answer, or a doubtful one, is given again with its key, to whatever
// server now takes writes: that says whether it is there, and makes it be there.
template <typename MakeCall>
Result Sink::add_surely(MakeCall make_call) {
    const Millis end = session_.until();
    session_.link(end);  // nothing was sent yet: its failure is the answer
    for (Millis pause = 10;; pause = std::min<Millis>(2 * pause, 100)) {
        try {
            const std::int64_t generation = session_.generation();
            const auto call = make_call();
            Link& server = session_.link(end);
            if (session_.generation() != generation) continue;
            server.take_warning();
            Result answer = server.run(call.text(), call.values(), end);
            if (!server.take_warning()) return answer;
            if (steady_now() >= end) {
                throw StoreAway("the server did not wait for its standby: the commit is in doubt");
            }
        } catch (const Conflict&) {
            if (steady_now() >= end) throw;
        } catch (const StoreAway&) {
            if (session_.is_told_to_stop() || steady_now() + pause >= end) throw;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(pause));
    }
}

// What was added is there; who is not woken looks by itself within a second.
void Sink::wake_workers() {
    try {
        session_.call(Call<sql::wake>());
    } catch (const StoreError&) {
    }
}

std::vector<KnownInstallation> Sink::look_up(std::span<const std::string> member_ids,
                                             std::span<const std::string> domains) {
    using in = sql::known_installations::In;
    using out = sql::known_installations::Out;
    const auto same = [](const std::string& name) { return name; };
    Call<sql::known_installations> call;
    call[in::members] = column(member_ids, same);
    call[in::domains] = column(domains, same);
    const Result answer = session_.call(call);
    std::vector<KnownInstallation> known;
    for (int row = 0; row < answer.rows(); ++row) {
        const auto state = static_cast<InstallationState>(answer.number(row, out::state));
        const bool broken = state == InstallationState::broken;
        known.push_back({.id = answer.number(row, out::id),
                         .member_id = answer.text(row, out::member_id),
                         .client_id = answer.text(row, out::client_id),
                         .domain = answer.text(row, out::domain),
                         .user_id = answer.text(row, out::user_id),
                         .token = answer.text(row, out::application_token),
                         .token_before = answer.text(row, out::application_token_before),
                         .page_key = answer.text(row, out::page_key),
                         .verified = broken || state == InstallationState::active,
                         .broken = broken});
    }
    sort_known(known);
    return known;
}

void Sink::retire_tokens(std::span<const SeenToken> seen) {
    std::vector<std::int64_t> ids;
    for (const SeenToken& one : seen) ids.push_back(one.id);
    Call<sql::retire_tokens> call;
    call[sql::retire_tokens::In::id] = Param::numbers(ids);
    call[sql::retire_tokens::In::seen] =
        column(seen, [](const SeenToken& one) { return one.token; });
    session_.call(call);
}

void Sink::heal(std::span<const Offer> offers) {
    using in = sql::heal_installation::In;
    for (const Offer& offer : offers) {
        Call<sql::heal_installation> call;
        call[in::id] = Param::number(offer.id);
        call[in::user] = Param::bytes(offer.user_id);
        call[in::tokens] = Param::bytes(pack_tokens(offer.tokens));
        call[in::expires] = session_.at_if_known(offer.tokens.expires_at);
        call[in::now] = session_.at(wall_now());
        session_.call(call);
    }
}

std::int64_t Sink::probe() {
    Call<sql::probe> call;
    call[sql::probe::In::key] = Param::bytes(batch_key());
    return session_.call(call).number(0, 0);
}

}  // namespace

std::unique_ptr<EventSink> make_sink(Names& names) { return std::make_unique<Sink>(names); }

}  // namespace bx::postgres
