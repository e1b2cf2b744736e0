using System.Runtime.InteropServices;

namespace Uml.CI.Agent.Supervise;

/// <summary>
/// A seccomp filter against what Landlock does not cover: a file's mode, owner, times and attributes.
/// </summary>
/// <remarks>
/// Only for guests that may change nothing of the host's. The guest's own chmod does not come here: it is a system call
/// of the guest's kernel, which is done in its own memory unless the file is on hostfs.
/// </remarks>
internal static unsafe class MetadataFilter
{
    private const uint ArchitectureX64 = 0xC000003E, FirstX32Call = 0x40000000;
    private const uint Allow = 0x7fff0000, Refuse = 0x00050000 | Native.EPERM, Unknown = 0x00050000 | Native.ENOSYS;
    private const uint OpenTruncates = 0x200;

    // chmod fchmod chown fchown lchown utime utimes futimesat fchownat fchmodat utimensat fchmodat2,
    // [lf]setxattr, [lf]removexattr, setxattrat, removexattrat, file_setattr
    private static ReadOnlySpan<ushort> Refused =>
    [
        90, 91, 92, 93, 94, 132, 188, 189, 190, 197, 198, 199, 235, 260, 261, 268, 280, 452, 463, 466, 469,
    ];

    // truncate, creat
    private static ReadOnlySpan<ushort> Truncating => [76, 85];

    // io_uring_setup and openat2 would be a way round: their arguments are out of a filter's sight.
    private static ReadOnlySpan<ushort> Hidden => [425, 437];

    // ioctls that change a file through a descriptor that may only read: the groups 'f', 'v' and 'X' of file systems.
    private static ReadOnlySpan<byte> ControlGroups => "fvX"u8;

    /// <summary>The program, as <c>struct sock_fprog</c>; lives as long as the process.</summary>
    /// <param name="refuseTruncation">Whether to refuse that as well, because this host's Landlock does not know it yet.</param>
    public static nint Build(bool refuseTruncation)
    {
        var code = new List<Instruction>();
        const ushort load = 0x20, jumpEqual = 0x15, jumpNotBelow = 0x35, jumpAnyBit = 0x45, and = 0x54, shift = 0x74, end = 0x06;
        const uint number = 0, architecture = 4, secondArgument = 24, thirdArgument = 32;
        const uint open = 2, ioctl = 16, openAt = 257;

        code.Add(new(load, architecture));
        code.Add(new(jumpEqual, ArchitectureX64, 1, 0));
        code.Add(new(end, Unknown));
        code.Add(new(load, number));
        code.Add(new(jumpNotBelow, FirstX32Call, 0, 1));
        code.Add(new(end, Unknown));
        foreach (ushort call in Refused)
        {
            code.Add(new(jumpEqual, call, 0, 1));
            code.Add(new(end, Refuse));
        }

        foreach (ushort call in Hidden)
        {
            code.Add(new(jumpEqual, call, 0, 1));
            code.Add(new(end, Unknown));
        }

        if (refuseTruncation)
        {
            foreach (ushort call in Truncating)
            {
                code.Add(new(jumpEqual, call, 0, 1));
                code.Add(new(end, Refuse));
            }

            // open(O_RDONLY | O_TRUNC) truncates, too.
            OpenWithoutTruncation(open, secondArgument);
            OpenWithoutTruncation(openAt, thirdArgument);
        }

        code.Add(new(jumpEqual, ioctl, 1, 0));
        code.Add(new(end, Allow));
        code.Add(new(load, secondArgument));
        code.Add(new(shift, 8));
        code.Add(new(and, 0xff));
        foreach (byte group in ControlGroups)
        {
            code.Add(new(jumpEqual, group, 0, 1));
            code.Add(new(end, Refuse));
        }

        code.Add(new(end, Allow));

        // struct sock_fprog { u16 count; struct sock_filter *code; }
        var program = (Instruction*)NativeMemory.Alloc((nuint)code.Count, (nuint)sizeof(Instruction));
        for (int i = 0; i < code.Count; i++)
            program[i] = code[i];
        var header = (nint*)NativeMemory.AllocZeroed(2, (nuint)sizeof(nint));
        *(ushort*)header = (ushort)code.Count;
        header[1] = (nint)program;
        return (nint)header;

        void OpenWithoutTruncation(uint call, uint flags)
        {
            code.Add(new(jumpEqual, call, 0, 4));
            code.Add(new(load, flags));
            code.Add(new(jumpAnyBit, OpenTruncates, 0, 1));
            code.Add(new(end, Refuse));
            code.Add(new(end, Allow));
        }
    }

    /// <summary>struct sock_filter.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private readonly struct Instruction(ushort code, uint operand, byte ifTrue = 0, byte ifFalse = 0)
    {
        public readonly ushort Code = code;
        public readonly byte IfTrue = ifTrue;
        public readonly byte IfFalse = ifFalse;
        public readonly uint Operand = operand;
    }
}
