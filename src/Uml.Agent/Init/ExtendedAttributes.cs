using System.Buffers.Binary;
using System.Text;

namespace Uml.CI.Agent.Init;

/// <summary>
/// Extended attributes that the root's file system has, but not every kernel shows: Debian's are built without
/// CONFIG_SQUASHFS_XATTR, and a program that lost its capabilities would fail.
/// </summary>
internal static unsafe class ExtendedAttributes
{
    /// <summary>Sets those of a list that are not there.</summary>
    public static void Restore(string list, string root, List<string> warnings)
    {
        const int most = 64 * 1024 * 1024;
        if (Linux.ReadBytes(list, most) is not { } bytes)
        {
            warnings.Add($"cannot read the list of extended attributes: {Linux.Describe(Linux.Errno)}");
            return;
        }

        int failed = 0, first = 0;
        ReadOnlySpan<byte> rest = bytes;
        while (rest.Length > 0)
        {
            if (!TryTake(ref rest, out ReadOnlySpan<byte> path) || !TryTake(ref rest, out ReadOnlySpan<byte> name) || !TryTake(ref rest, out ReadOnlySpan<byte> value))
            {
                warnings.Add("the list of extended attributes is damaged");
                return;
            }

            int error = Set(root, path, name, value);
            if (error == 0)
                continue;
            failed++;
            first = error;
        }

        if (failed > 0)
            warnings.Add($"{failed} extended attributes of the root image could not be set: {Linux.Describe(first)}");
    }

    private static int Set(string root, ReadOnlySpan<byte> path, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        byte[] file = [.. Encoding.UTF8.GetBytes(root + "/"), .. path, 0];
        byte[] attribute = [.. name, 0];
        byte[] present = new byte[value.Length + 1];
        fixed (byte* f = file, a = attribute, p = present)
        {
            nint length = Linux.lgetxattr(f, a, p, (nuint)present.Length);
            if (length == value.Length && present.AsSpan(0, value.Length).SequenceEqual(value))
                return 0;
            fixed (byte* v = value)
                return Linux.lsetxattr(f, a, v, (nuint)value.Length, 0) == 0 ? 0 : Linux.Errno;
        }
    }

    private static bool TryTake(ref ReadOnlySpan<byte> rest, out ReadOnlySpan<byte> part)
    {
        part = default;
        if (rest.Length < 4 || BinaryPrimitives.ReadUInt32LittleEndian(rest) is var length && length > (uint)rest.Length - 4)
            return false;
        part = rest.Slice(4, (int)length);
        rest = rest[(4 + (int)length)..];
        return true;
    }
}
