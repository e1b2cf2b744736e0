using System.Security.Cryptography;
using System.Text;

namespace Uml.CI;

/// <summary>One hash of all that goes into a kernel.</summary>
internal static class BuildInputs
{
    /// <summary>To be raised when the way a kernel is built changes what comes out.</summary>
    public const int RecipeVersion = 1;

    /// <summary>SHA-256 over texts, so that no two lists of them are taken for the same.</summary>
    public static string HashOf(params IEnumerable<string> texts)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (string text in texts)
        {
            byte[] bytes = Encoding.UTF8.GetBytes(text);
            hash.AppendData(BitConverter.GetBytes(bytes.LongLength));
            hash.AppendData(bytes);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>SHA-256 of a text.</summary>
    public static string HashOfText(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
}
