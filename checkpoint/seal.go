package checkpoint

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/minio/sio"

	"pawl/schemas/record"
)

// seal is a data key: what encrypts the objects and the private part of manifests of one task. Each
// has a key of its own, derived from the data key and the object's whole key, so one under another
// one's name does not decrypt.
type seal struct {
	data    []byte
	keeper  string // name of the key that wraps it
	wrapped []byte
}

const (
	dataKeySize = 32
	// sealScheme names all of this file in a manifest: the derivation, the names of objects, and
	// DARE 2.0 (packages of 64 KiB, each authenticated with its number, the last one marked).
	sealScheme = "hkdf-sha256-dare2-aes256gcm"
)

// derive gives the key for a purpose.
func (s *seal) derive(purpose, name string) ([]byte, error) {
	return hkdf.Key(sha256.New, s.data, nil, "pawl checkpoint "+purpose+"\x00"+name, dataKeySize)
}

// label is what the name of a file's object begins with: without the data key it tells nothing of
// the content, not even to whom guesses it.
func (s *seal) label(f File) (string, error) {
	key, err := s.derive("names", "")
	if err != nil {
		return "", err // unreachable: the length is allowed
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s %d", f.SHA256, f.Size)
	return hex.EncodeToString(mac.Sum(nil)), nil
}

// config is DARE's for an object.
func (s *seal) config(key string) (sio.Config, error) {
	derived, err := s.derive("object", key)
	return sio.Config{MinVersion: sio.Version20, MaxVersion: sio.Version20,
		CipherSuites: []byte{sio.AES_256_GCM}, Key: derived}, err
}

// encrypt reads an object's bytes for a file's.
func (s *seal) encrypt(key string, r io.Reader) (io.Reader, error) {
	cfg, err := s.config(key)
	if err != nil {
		return nil, err
	}
	return sio.EncryptReader(r, cfg)
}

// decrypt reads a file's bytes from an object's; errContent when they are not what was encrypted
// under this key.
func (s *seal) decrypt(key string, r io.Reader) (io.Reader, error) {
	cfg, err := s.config(key)
	if err != nil {
		return nil, err
	}
	plain, err := sio.DecryptReader(named{r}, cfg)
	if err != nil {
		return nil, err
	}
	return authentic{plain}, nil
}

// authentic tells damage from a storage that does not answer.
type authentic struct{ r io.Reader }

// Read implements io.Reader.
func (a authentic) Read(p []byte) (int, error) {
	n, err := a.r.Read(p)
	var not sio.Error
	if errors.As(err, &not) {
		err = fmt.Errorf("%w: it does not decrypt, so it was changed, cut or exchanged: %w",
			errContent, err)
	}
	return n, err
}

// named gives errors of the storage another identity: DARE takes a bare ErrUnexpectedEOF, a broken
// connection's, for the object's end.
type named struct{ r io.Reader }

// Read implements io.Reader.
func (n named) Read(p []byte) (int, error) {
	k, err := n.r.Read(p)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("read the encrypted object: %w", err)
	}
	return k, err
}

// sealedSize is an object's size, by its file's.
func sealedSize(size int64) int64 {
	n, err := sio.EncryptedSize(uint64(size))
	if err != nil {
		return -1 // beyond 256 TiB
	}
	return int64(n)
}

// Encryption is what an encrypted checkpoint's manifest says of that.
type Encryption struct {
	Scheme  string `json:"scheme"`
	Keeper  string `json:"keeper"`      // the name of the key that wraps the data key
	Wrapped []byte `json:"wrapped_key"` // the data key
	Private []byte `json:"private"`     // what of the manifest would tell of the state
}

// private is what of a manifest is encrypted: whoever guesses the state could compare these.
type private struct {
	Digest string           `json:"digest"`
	Deaths [][]record.Death `json:"deaths"` // by input
	Sums   []string         `json:"sums"`   // by file
}

// public is the manifest without its private part.
func (m *Manifest) public() (*Manifest, private) {
	p := private{Digest: m.Digest}
	open := *m
	open.Digest, open.Encryption = "", nil
	open.Inputs = append([]Input(nil), m.Inputs...)
	for i := range open.Inputs {
		p.Deaths = append(p.Deaths, open.Inputs[i].Deaths)
		open.Inputs[i].Deaths = nil
	}
	open.Files = append([]File(nil), m.Files...)
	for i := range open.Files {
		p.Sums = append(p.Sums, open.Files[i].SHA256)
		open.Files[i].SHA256 = ""
	}
	return &open, p
}

// aead is what encrypts the private part of the manifest with a key.
func (s *seal) aead(key string) (cipher.AEAD, error) {
	derived, err := s.derive("manifest", key)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// close encrypts the private part; body, the public one, is authenticated with it.
func (s *seal) close(key string, p private, body []byte) (*Encryption, error) {
	plain, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	aead, err := s.aead(key)
	if err != nil {
		return nil, err
	}
	return &Encryption{Scheme: sealScheme, Keeper: s.keeper, Wrapped: s.wrapped,
		Private: aead.Seal(nil, nil, plain, body)}, nil
}

// open puts the private part back into a manifest; an error is damage.
func (s *seal) open(key string, m *Manifest) error {
	aead, err := s.aead(key)
	if err != nil {
		return err
	}
	plain, err := aead.Open(nil, nil, m.Encryption.Private, m.body)
	if err != nil {
		return errors.New("it is not what was written with its data key")
	}
	var p private
	if err := json.Unmarshal(plain, &p); err != nil {
		return fmt.Errorf("its private part is not JSON: %w", err)
	}
	if len(p.Deaths) != len(m.Inputs) || len(p.Sums) != len(m.Files) {
		return errors.New("its private part is that of another manifest")
	}
	m.Digest = p.Digest
	for i := range m.Inputs {
		m.Inputs[i].Deaths = p.Deaths[i]
	}
	for i := range m.Files {
		m.Files[i].SHA256 = p.Sums[i]
	}
	m.seal, m.body = s, nil
	return nil
}
