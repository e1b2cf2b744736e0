using System.Buffers.Binary;
using System.Text;

namespace Uml.CI;

/// <summary>The notes (<c>.gcno</c>) that the compiler leaves for gcov.</summary>
internal static class GcovNotes
{
    /// <summary>Stands for the directory of the build, in the notes as in the kernel.</summary>
    public const string Directory = "/gcov";

    private const int LongestHeader = 16;

    /// <summary>
    /// The notes with another directory of the build than the one in their header (gcc/gcov-io.h: magic, version, stamp, since GCC 12 a
    /// checksum, then the directory with its length in front). Notes of another form are left as they are.
    /// </summary>
    public static byte[] WithoutPath(byte[] notes, string objects)
    {
        byte[] path = Encoding.UTF8.GetBytes(objects + "\0");
        int at = notes.AsSpan(0, Math.Min(notes.Length, LongestHeader + sizeof(int) + path.Length)).IndexOf(path);
        if (at is not (LongestHeader or LongestHeader + sizeof(int)))
            return notes;
        int length = BinaryPrimitives.ReadInt32LittleEndian(notes.AsSpan(at - sizeof(int)));
        byte[] other = Encoding.UTF8.GetBytes(Directory + "\0");
        if (length == path.Length)
            return Replace(path.Length, other, other.Length);

        // Before GCC 12 lengths are in words, and the last one is filled up.
        int words = (path.Length + 3) / 4, otherWords = (other.Length + 3) / 4;
        if (length != words)
            return notes;
        Array.Resize(ref other, otherWords * 4);
        return Replace(words * 4, other, otherWords);

        byte[] Replace(int old, byte[] text, int newLength)
        {
            byte[] result = new byte[notes.Length - old + text.Length];
            notes.AsSpan(0, at).CopyTo(result);
            BinaryPrimitives.WriteInt32LittleEndian(result.AsSpan(at - sizeof(int)), newLength);
            text.CopyTo(result, at);
            notes.AsSpan(at + old).CopyTo(result.AsSpan(at + text.Length));
            return result;
        }
    }
}
