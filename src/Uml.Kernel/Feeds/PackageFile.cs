using System.Security.Cryptography;
using NuGet.Common;
using NuGet.Packaging;
using NuGet.Packaging.Core;
using NuGet.Packaging.Signing;
using NuGet.Versioning;

namespace Uml.CI;

/// <summary>A package file that was fetched, as NuGet looks at it.</summary>
internal static class PackageFile
{
    /// <summary>SHA-512 of the file, in base64.</summary>
    public static async Task<string> HashAsync(string path, CancellationToken cancellationToken)
    {
        await using FileStream file = File.OpenRead(path);
        return Convert.ToBase64String(await SHA512.HashDataAsync(file, cancellationToken));
    }

    /// <summary>Checks that it is the package it was fetched as, and that its signatures are what NuGet's settings ask for.</summary>
    /// <param name="path">The file.</param>
    /// <param name="id">Whose package it is to be.</param>
    /// <param name="version">And which version.</param>
    /// <param name="source">Where it came from: a feed may have said how it signs.</param>
    /// <param name="policy">What the settings ask for.</param>
    /// <param name="temporary">A directory for what NuGet writes.</param>
    /// <param name="logger">Told of warnings.</param>
    /// <param name="cancellationToken">Stops checking.</param>
    /// <returns>The content hash, as packages.lock.json has it: SHA-512 of what was packed, without signatures.</returns>
    /// <exception cref="PackageContentException">It is not.</exception>
    public static async Task<string> VerifyAsync(
        string path, string id, NuGetVersion version, string source, ClientPolicyContext policy, string temporary, ILogger logger, CancellationToken cancellationToken)
    {
        try
        {
            await using FileStream file = File.OpenRead(path);
            using PackageArchiveReader reader = new(file);
            PackageIdentity identity = await reader.GetIdentityAsync(cancellationToken);
            if (!string.Equals(identity.Id, id, StringComparison.OrdinalIgnoreCase) || identity.Version != version)
                throw new PackageContentException($"it calls itself {identity.Id} {identity.Version}");

            // Checks signatures first, and then unpacks what it is told to, which is nothing.
            PackageExtractionContext context = new(PackageSaveMode.None, XmlDocFileSaveMode.Skip, policy, logger);
            string directory = Path.Combine(temporary, "signed");
            await PackageExtractor.ExtractPackageAsync(source, reader, file, new PackagePathResolver(directory), context, cancellationToken);
            UnixFiles.DeleteTree(directory);
            return reader.GetContentHash(cancellationToken, () => HashAsync(path, cancellationToken).GetAwaiter().GetResult());
        }
        catch (SignatureException e)
        {
            string[] reasons = [.. (e.Results ?? []).SelectMany(r => r.GetErrorIssues()).Select(i => $"{i.Code}: {i.Message.TrimEnd('.')}").Distinct(StringComparer.Ordinal)];
            throw new PackageContentException($"its signature is not what NuGet's settings ask for ({(reasons.Length == 0 ? OneLine.Of(e).TrimEnd('.') : string.Join("; ", reasons))})", e);
        }
        catch (Exception e) when (e is PackagingException or InvalidDataException or System.Xml.XmlException or ArgumentException or FormatException)
        {
            throw new PackageContentException($"it is no package that NuGet can read ({OneLine.Of(e).TrimEnd('.')})", e);
        }
    }
}
