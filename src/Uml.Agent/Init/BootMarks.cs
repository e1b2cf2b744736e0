using System.Text;
using Uml.CI.Wire;

namespace Uml.CI.Agent.Init;

/// <summary>Says on the kernel's console how far the guest's start has come, for whoever charts a boot; else says nothing.</summary>
/// <remarks>The kernel hands what it does not know on its command line to PID 1 as environment, so no message has to ask for it.</remarks>
internal static unsafe class BootMarks
{
    private static readonly bool s_wanted = Environment.GetEnvironmentVariable(Protocol.BootMarksVariable) == "1";

    /// <summary>Says that a step is done; the host notes when it reads that.</summary>
    public static void Reach(string step)
    {
        if (!s_wanted)
            return;
        byte[] line = Encoding.ASCII.GetBytes($"{Protocol.BootMark}{step}\n");
        fixed (byte* p = line)
            Linux.write(2, p, (nuint)line.Length);
    }
}
