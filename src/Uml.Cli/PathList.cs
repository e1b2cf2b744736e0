using System.Text;

namespace Uml.CI.Cli;

/// <summary>Paths separated by colons, as <c>--mount</c> and the copies take them. A colon in a path is written <c>\:</c>, a backslash before one <c>\\</c>.</summary>
internal static class PathList
{
    /// <summary>Splits at colons that are not escaped.</summary>
    public static string[] Split(string text)
    {
        var parts = new List<string>();
        var part = new StringBuilder();
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] == '\\' && i + 1 < text.Length && text[i + 1] is ':' or '\\')
            {
                part.Append(text[++i]);
            }
            else if (text[i] == ':')
            {
                parts.Add(part.ToString());
                part.Clear();
            }
            else
            {
                part.Append(text[i]);
            }
        }

        parts.Add(part.ToString());
        return [.. parts];
    }

    /// <summary>Reads <c>HOST:GUEST[:ro|rw|cow]</c>; null with the reason when the text is no such thing.</summary>
    public static GuestMount? ParseMount(string text, out string problem)
    {
        problem = $"\"{text}\" is not a mount: write HOST:GUEST, with :ro, :rw or :cow after it for another mode than read-only (a colon in a path is written \\:)";
        string[] parts = Split(text);
        if (parts.Length is not (2 or 3) || parts[0].Length == 0 || parts[1].Length == 0)
            return null;
        MountMode? mode = parts.Length == 2 ? MountMode.ReadOnly : parts[2] switch
        {
            "ro" => MountMode.ReadOnly,
            "rw" => MountMode.ReadWrite,
            "cow" => MountMode.CopyOnWrite,
            _ => null,
        };
        return mode is { } known && IsInGuest(parts[1], text, ref problem) ? new GuestMount(parts[0], parts[1], known) : null;
    }

    /// <summary>Reads <c>HOST:GUEST</c>.</summary>
    public static GuestArtifact? ParseCopyIn(string text, out string problem)
    {
        problem = $"\"{text}\" is not a copy: write HOST:GUEST (a colon in a path is written \\:)";
        return Split(text) is [{ Length: > 0 } host, { Length: > 0 } guest] && IsInGuest(guest, text, ref problem) ? new GuestArtifact(host, guest) : null;
    }

    /// <summary>Reads <c>GUEST:HOST</c>.</summary>
    public static CopyOut? ParseCopyOut(string text, out string problem)
    {
        problem = $"\"{text}\" is not a copy out of the guest: write GUEST:HOST (a colon in a path is written \\:)";
        return Split(text) is [{ Length: > 0 } guest, { Length: > 0 } host] && IsInGuest(guest, text, ref problem) ? new CopyOut(guest, host) : null;
    }

    private static bool IsInGuest(string path, string text, ref string problem)
    {
        if (path[0] == '/')
            return true;
        problem = $"\"{path}\" in \"{text}\" is not an absolute path: paths in the guest begin with /";
        return false;
    }
}

/// <summary>A file or directory to bring back from the guest.</summary>
/// <param name="GuestPath">Absolute path in the guest.</param>
/// <param name="HostPath">Path of the copy; with a '/' at the end, the directory it is put in.</param>
internal sealed record CopyOut(string GuestPath, string HostPath);
