using static Uml.CI.Agent.Supervise.Native;

namespace Uml.CI.Agent.Supervise;

/// <summary>
/// <c>uml-agent supervise</c>: owns one guest's processes on the host and ends them all.
/// </summary>
/// <remarks>
/// Two processes watch each other, so that killing either leaves nothing behind. The outer one (<see cref="Sentinel"/>)
/// is what the host library started; it waits. The inner one (<see cref="GuestSupervisor"/>) is its child and the kernel's
/// parent; it works. Both are subreapers: whatever the inner one leaves becomes the outer one's child. Both keep the
/// control socket open, so the host reads end-of-file only when neither is left. A third, in the kernel's own process
/// group, kills that group if both die at once (<see cref="KernelProcess"/>); the directory is then removed by whichever
/// supervisor next starts a guest beside it.
/// </remarks>
internal static class Supervisor
{
    /// <summary>The host library's socket.</summary>
    internal const int ControlSocket = 3;

    /// <summary>The kernel's end of the console line.</summary>
    internal const int ConsoleLine = 4;

    /// <summary>The inner process's end of the socket pair to the outer one; end-of-file on it means that the other has died.</summary>
    internal const int Link = 5;

    /// <summary>End-of-file on it means that both are dead. Its other end is <see cref="LifeLineOwn"/>, and the outer process's.</summary>
    internal const int LifeLine = 6;

    /// <summary>What keeps <see cref="LifeLine"/> from ending.</summary>
    internal const int LifeLineOwn = 7;

    internal const string InnerArgument = "inner";

    public static int Run(ReadOnlySpan<string> arguments)
    {
        // What the parent ignores is inherited: with SIGCHLD ignored there would be no exit status to read.
        Signal(SIGCHLD, SIG_DFL);
        Signal(SIGPIPE, SIG_IGN);
        Prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
        return arguments is [InnerArgument] ? GuestSupervisor.Run() : Sentinel.Run();
    }
}
