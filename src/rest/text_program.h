// A program that is given texts and gives texts, one beside others: nothing here waits.
#pragma once

#include <poll.h>

#include <cstddef>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "host/start_program.h"

namespace bx {

class TextProgram {
public:
    // How much of what it writes is wanted.
    struct Limits {
        std::size_t output;  // bytes of stdout
        std::size_t errors;  // bytes of stderr
    };

    // Starts START, whose `fds` are made here: INPUTS are what it reads as 0, 3, 4, ...  Where it
    // cannot be started start_error() says why, and it has ended.  Throws Error.
    TextProgram(Start start, std::vector<std::string> inputs, const Limits& limits);
    // Ends it, with all its session, when it runs.
    ~TextProgram();
    TextProgram(const TextProgram&) = delete;
    TextProgram& operator=(const TextProgram&) = delete;

    int start_error() const { return start_error_; }  // errno; 0: it was started
    bool ended() const { return ended_; }
    int wait_status() const { return wait_status_; }  // of one that was started and has ended
    // Of its stdout: all, or the first bytes and `tail` of the last when it is over the limit.
    const std::string& output() const { return output_.text; }
    bool output_was_cut() const { return output_.cut; }
    const std::string& errors() const { return errors_.text; }
    static constexpr std::size_t tail = 80;

    // Adds the descriptors it waits for; gives how long to wait for them, LEFT at most: one that has
    // closed its outputs need not end with that, and on a kernel that does not say when it does it
    // is to be looked at again soon.
    Millis watch(std::vector<pollfd>& set, Millis left) const;
    // Gives and takes what can be now; true when it has ended with that.
    bool step();
    void kill();

private:
    struct Input {
        Fd fd;
        std::string text;
        std::size_t written = 0;
    };
    struct Output {
        Fd fd;
        std::size_t limit = 0;
        std::string text{};
        bool cut = false;
    };
    static void give(Input& input);
    static void take(Output& output);
    void reap(int options);

    pid_t pid_ = -1;
    Fd end_;  // readable when it has ended; none: the kernel has none
    int start_error_ = 0;
    int wait_status_ = 0;
    bool ended_ = false;
    std::vector<Input> inputs_;
    Output output_;
    Output errors_;
};

}  // namespace bx
