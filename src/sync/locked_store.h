// The parts of a store that the threads of sync share, one at a time: what waits for Bitrix24 waits
// beside them.
#pragma once

#include <mutex>
#include <utility>

#include "store/store.h"

namespace bx {

class LockedInstallations final : public Installations {
    template <typename Function, typename... Arguments>
    auto locked(Function function, const Arguments&... arguments) {
        const std::lock_guard lock(mutex_);
        return (store_.*function)(arguments...);
    }

public:
    // Both outlive it.
    LockedInstallations(Installations& store, std::mutex& mutex) : store_(store), mutex_(mutex) {}

    std::optional<InstallationWithTokens> find(InstallationId id) override {
        return locked(&Installations::find, id);
    }
    Activation activate(const Proof& proof) override {
        return locked(&Installations::activate, proof);
    }
    Keeping keep_unclaimed(const Proof& proof) override {
        return locked(&Installations::keep_unclaimed, proof);
    }
    void erase(InstallationId id) override { locked(&Installations::erase, id); }
    bool refuse(const InstallationWithTokens& seen) override {
        return locked(&Installations::refuse, seen);
    }
    std::vector<HeldPost> held_posts(InstallationId id) override {
        return locked(&Installations::held_posts, id);
    }
    Activation adopt_token(InstallationId id, const std::string& token) override {
        return locked(&Installations::adopt_token, id, token);
    }
    std::size_t refuse_token(InstallationId id, const HeldPost& judged) override {
        return locked(&Installations::refuse_token, id, judged);
    }
    std::optional<Lease> take_lease(InstallationId id, const std::string& holder,
                                    Millis lasting) override {
        return locked(&Installations::take_lease, id, holder, lasting);
    }
    bool end_lease(InstallationId id, const std::string& holder,
                   const std::optional<Renewal>& renewal, Millis now) override {
        return locked(&Installations::end_lease, id, holder, renewal, now);
    }
    void note_refused(InstallationId id, const std::string& holder, const std::string& problem,
                      std::optional<Millis> again_at) override {
        locked(&Installations::note_refused, id, holder, problem, again_at);
    }
    bool uninstalled(InstallationId id, std::string_view ts, Millis received_at) override {
        return locked(&Installations::uninstalled, id, ts, received_at);
    }
    std::size_t drop_old(Millis pending_before, Millis gone_before) override {
        return locked(&Installations::drop_old, pending_before, gone_before);
    }
    std::vector<Installation> list(std::string_view name) override {
        return locked(&Installations::list, name);
    }
    InstallationCounts counts() override { return locked(&Installations::counts); }

private:
    Installations& store_;
    std::mutex& mutex_;
};

class LockedBindings final : public Bindings {
public:
    // Both outlive it.
    LockedBindings(Bindings& bindings, std::mutex& mutex) : bindings_(bindings), mutex_(mutex) {}

    std::vector<OwnBinding> of(InstallationId id) override {
        const std::lock_guard lock(mutex_);
        return bindings_.of(id);
    }
    void add(InstallationId id, std::span<const OwnBinding> added) override {
        const std::lock_guard lock(mutex_);
        bindings_.add(id, added);
    }
    void remove(InstallationId id, std::span<const OwnBinding> removed) override {
        const std::lock_guard lock(mutex_);
        bindings_.remove(id, removed);
    }

private:
    Bindings& bindings_;
    std::mutex& mutex_;
};

class LockedLimiter final : public Limiter {
public:
    // Both outlive it.
    LockedLimiter(Limiter& limiter, std::mutex& mutex) : limiter_(limiter), mutex_(mutex) {}

    Turn take(const CalledMethod& what, const CallRate& rate, Millis at_most) override {
        const std::lock_guard lock(mutex_);
        return limiter_.take(what, rate, at_most);
    }
    void fill(const std::string& portal, const CallRate& rate) override {
        const std::lock_guard lock(mutex_);
        limiter_.fill(portal, rate);
    }
    void note_operating(const CalledMethod& what, Millis in) override {
        const std::lock_guard lock(mutex_);
        limiter_.note_operating(what, in);
    }
    Millis block(const CalledMethod& what, Millis otherwise) override {
        const std::lock_guard lock(mutex_);
        return limiter_.block(what, otherwise);
    }

private:
    Limiter& limiter_;
    std::mutex& mutex_;
};

}  // namespace bx
